/* grpc.h - the gRPC door: protobuf messages into the requests of the REST API, and its results into protobuf.
 *
 * WHAT     A gRPC method is a REST route said in other bytes. The tables that tools/protogen.py makes of
 *          src/api/proto name the route of each method and how the JSON of each message looks. So there is one
 *          set of decoders, checks, handlers and texts, and what a handler learns is served behind both doors.
 * FLOW     oct_grpc_call (grpc.c): find the method -> grpc_decode: message bytes -> a tree of yyjson values, the
 *          same that json_parse would make of the REST body -> the route's handler -> its JSON result -> grpc_encode
 *          by the response's table.
 * FLOATS   are never spelled out: a list of them becomes one raw value of the tree that points into the message
 *          (or an aligned copy), and decode_points.c uses it where it lies. Those of an answer are put aside by encode.c, whose
 *          JSON has a mark in their place (encode_floats_aside).
 * NOT protobuf-c: it copies every message into structs, 200 kinds of which would have to be read a second time; it has
 *          no limit on nesting (20,000 levels in 74 KB end in a stack overflow), and it would be the embeddable
 *          library's only dependency. See docs/decisions/0010-grpc.md.
 * LIMITS   GRPC_DEPTH_MAX messages within messages; payload values nest as JSON does (JSON_DEPTH_MAX).
 */
#ifndef OCT_GRPC_H
#define OCT_GRPC_H

#include "api/api.h"

#define GRPC_DEPTH_MAX  100u /* as many libraries of the trade have it */
#define GRPC_FIELDS_MAX 32u  /* of one message; grpc_test.c looks at all of them */

/* --- tables --------------------------------------------------------------------------------- */

typedef enum grpc_kind {
    GRPC_DOUBLE,
    GRPC_FLOAT,
    GRPC_INT64,
    GRPC_UINT64,
    GRPC_INT32,
    GRPC_UINT32,
    GRPC_BOOL,
    GRPC_STRING,
    GRPC_ENUM,
    GRPC_MESSAGE
} grpc_kind;

enum grpc_flag { /* see tools/protogen.py */
                 GRPC_REPEATED = 1,
                 GRPC_MAP = 2,      /* from text to the kind */
                 GRPC_PRESENCE = 4, /* absent is not the same as zero */
                 GRPC_INLINE = 8,
                 GRPC_SELF = 16,
                 GRPC_ALWAYS = 32,
                 GRPC_PATH = 64,
                 GRPC_OPTION = 128,
                 GRPC_DROP = 256,
                 GRPC_HOOK_SEARCH_VECTOR = 512,
                 GRPC_HOOK_EXAMPLES = 1024
};

typedef struct grpc_enum_value {
    uint32_t    number;
    const char *text;    /* in JSON; NULL: as if the field were absent, */
    const char *refused; /* unless this says why it is an error */
} grpc_enum_value;

typedef struct grpc_enum {
    const char            *name;
    const grpc_enum_value *values;
    size_t                 count;
    bool                   lenient;
} grpc_enum;

struct grpc_message;

typedef struct grpc_field {
    const char                *name; /* in JSON */
    uint8_t                    name_size;
    uint16_t                   number;
    uint8_t                    kind;
    uint8_t                    oneof;  /* which of the message's, from 1 on; 0: none */
    int8_t                     unless; /* index of a field that replaces this one; -1: none */
    uint16_t                   flags;
    const struct grpc_message *message;
    const grpc_enum           *names;
} grpc_field;

typedef enum grpc_shape {
    GRPC_OBJECT,
    GRPC_NONE,  /* an object; `text` is what to say if no field is set */
    GRPC_EMPTY, /* an object, but the string `text` if no field is set */
    GRPC_FALSE, /* an object, but false if no field is set */
    GRPC_TEXT,  /* the string `text` */
    GRPC_TRUE,  /* true */
    GRPC_TYPE,  /* an object with a member "type" of the value `text` */
    GRPC_SPECIAL_VALUE,
    GRPC_SPECIAL_STRUCT,
    GRPC_SPECIAL_LIST_VALUE,
    GRPC_SPECIAL_TIMESTAMP,
    GRPC_SPECIAL_VECTOR,
    GRPC_SPECIAL_SHARD_KEY_SELECTOR,
    GRPC_SPECIAL_OPTIMIZER_STATUS
} grpc_shape;

typedef struct grpc_message {
    const char       *name;
    const grpc_field *fields;
    uint8_t           count;
    uint8_t           oneof_count;
    uint8_t           shape;
    bool              is_bare; /* every field is GRPC_SELF */
    const char       *text;
} grpc_message;

typedef struct grpc_method {
    const char         *path; /* "/qdrant.Points/Query" */
    const char         *http_method, *pattern;
    const grpc_message *request, *response;
    const char         *result; /* the response's field of the result; ".": the response itself, "-": none */
} grpc_method;

typedef struct grpc_file { /* a FileDescriptorProto */
    const char          *name;
    const char          *symbols; /* full names, a blank before and after each */
    const unsigned char *data;
    size_t               size;
} grpc_file;

extern const grpc_method grpc_methods[]; /* both end with a NULL */
extern const grpc_file   grpc_files[];

/* --- grpc_wire.c: the bytes of protobuf ------------------------------------------------------- */

typedef struct wire { /* what is left of a message */
    const char *at, *end;
} wire;

typedef enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } wire_type;

typedef struct wire_item {
    uint32_t    number;
    wire_type   type;
    uint64_t    value; /* of numbers: the bits */
    oct_slice   bytes; /* WIRE_BYTES */
    const char *start; /* of its tag */
} wire_item;

/* The next item; false at the end, or if the bytes make no sense (then *is_broken). Groups are not known. */
bool wire_next(wire *self, wire_item *out, bool *is_broken);
bool wire_varint(wire *self, uint64_t *out);

void wire_add_varint(buffer *out, uint64_t value);
void wire_add_tag(buffer *out, uint32_t number, wire_type type);
void wire_add_fixed32(buffer *out, uint32_t number, const void *value);
void wire_add_fixed64(buffer *out, uint32_t number, const void *value);
void wire_add_bytes(buffer *out, uint32_t number, const void *data, size_t size);
/* A message in a message: open, write its fields, close with what open returned. */
size_t wire_open(buffer *out, uint32_t number);
void   wire_close(buffer *out, size_t opened);

/* --- grpc_decode.c, grpc_encode.c --------------------------------------------------------------- */

/* Fill call->tree, params and options from a message. OCT_FORMAT, OCT_INVALID. */
oct_status grpc_decode(api_call *call, const grpc_message *message, oct_slice bytes, oct_error *error);
/* Append the message that a JSON value says. */
void grpc_encode(buffer *out, const grpc_message *message, yyjson_val *value);
/* The same as field `name` of a message: a list becomes that many fields. */
void grpc_encode_field(buffer *out, const grpc_message *message, const char *name, yyjson_val *value);
/* A payload document as fields number `number`, one for each member. */
void grpc_encode_payload(buffer *out, uint32_t number, oct_slice payload);

#endif /* OCT_GRPC_H */
