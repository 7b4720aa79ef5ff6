/* api_test.h - sending requests, for the tests of api/. */
#ifndef OCT_API_TEST_H
#define OCT_API_TEST_H

#include "api/api.h"
#include "support/test.h"

#define API_TEST_TEXT_MAX 65536u
#define API_TEST_FOUR     "{\"vectors\":{\"size\":4,\"distance\":\"Dot\"}}" /* a collection of four floats */

oct_database *api_test_open(void);

/* Send a request and take the envelope off: *text is the result or the error, as JSON or as text. Every
 * answer must be in order: JSON with an envelope that fits its status, or plain text. */
int api_test_call(oct_database *database, const char *method, const char *target, oct_slice body, char *text,
                  size_t size);

#endif
