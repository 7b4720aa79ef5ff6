/* encode.h - typed results as JSON. Payload bytes are copied through, numbers are written without printf. */
#ifndef OCT_API_ENCODE_H
#define OCT_API_ENCODE_H

#include "api/decode.h"

#define ID_TEXT_MAX 40u /* a UUID with hyphens and quotes has 38 characters */

void encode_bool(buffer *out, bool value);
/* `12`, or `"f47ac10b-58cc-4372-a567-0e02b2c3d479"` */
void encode_id(buffer *out, oct_id id);
/* The same without quotes, NUL-terminated, for error texts. */
void id_to_text(oct_id id, char text[ID_TEXT_MAX]);
/* JSON has no infinity, and clients read no null: what is beyond floats is the largest of them. */
void encode_score(buffer *out, float value);

/* For gRPC, which has no use for the text of vectors: from now on this thread's encoders put their components into `floats` and
 * write a mark that encode_floats_at knows. NULL: as text again. A text of a user that looks like a mark harms nobody: it is
 * asked about only where a list of floats may stand, and never in payloads. */
void encode_floats_aside(buffer *floats);
bool encode_floats_at(yyjson_val *value, const float **out, size_t *count);

/* A record as scroll and retrieve show it. */
void encode_record(buffer *out, const oct_record *record, const api_select *select);
/* With version and score. */
void encode_hit(buffer *out, const oct_record *record, const api_select *select);
void quota_encode_config(buffer *out, const oct_quota_config *config); /* quota.c */
void encode_write_result(buffer *out, const oct_write_result *result);

#endif /* OCT_API_ENCODE_H */
