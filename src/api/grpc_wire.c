/* The bytes of protobuf, read and written. See grpc.h.
 *
 * FORMAT   An item is a tag (varint: number * 8 + wire type) and a value: a varint of up to ten groups of seven bits,
 *          eight or four bytes, or a varint size and that many bytes. https://protobuf.dev/programming-guides/encoding
 */
#include "api/grpc.h"

#define VARINT_BYTES_MAX 10u
#define NUMBER_MAX       ((1u << 29) - 1)

bool
wire_varint(wire *self, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < VARINT_BYTES_MAX && self->at < self->end; i++) {
        const unsigned char byte = (unsigned char)*self->at++;

        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            return false; /* more than 64 bits */
        value |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool
wire_next(wire *self, wire_item *out, bool *is_broken)
{
    uint64_t tag, size = 0;

    if (self->at == self->end)
        return false;
    *is_broken = true;
    out->start = self->at;
    if (!wire_varint(self, &tag) || tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
        return false;
    out->number = (uint32_t)(tag >> 3);
    out->type = (wire_type)(tag & 7);
    out->value = 0;
    switch (out->type) {
    case WIRE_VARINT:
        if (!wire_varint(self, &out->value))
            return false;
        break;
    case WIRE_FIXED64:
        if (self->end - self->at < 8)
            return false;
        out->value = get_u64(self->at);
        self->at += 8;
        break;
    case WIRE_FIXED32:
        if (self->end - self->at < 4)
            return false;
        out->value = get_u32(self->at);
        self->at += 4;
        break;
    case WIRE_BYTES:
        if (!wire_varint(self, &size) || size > (uint64_t)(self->end - self->at))
            return false;
        out->bytes = (oct_slice){self->at, (size_t)size};
        self->at += size;
        break;
    default:
        return false;
    }
    *is_broken = false;
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

void
wire_add_varint(buffer *out, uint64_t value)
{
    while (value > 127) {
        buffer_add_byte(out, (char)(unsigned char)(value | 128));
        value >>= 7;
    }
    buffer_add_byte(out, (char)value);
}

void
wire_add_tag(buffer *out, uint32_t number, wire_type type)
{
    wire_add_varint(out, (uint64_t)number << 3 | (uint64_t)type);
}

void
wire_add_fixed32(buffer *out, uint32_t number, const void *value)
{
    wire_add_tag(out, number, WIRE_FIXED32);
    buffer_add(out, value, 4);
}

void
wire_add_fixed64(buffer *out, uint32_t number, const void *value)
{
    wire_add_tag(out, number, WIRE_FIXED64);
    buffer_add(out, value, 8);
}

void
wire_add_bytes(buffer *out, uint32_t number, const void *data, size_t size)
{
    wire_add_tag(out, number, WIRE_BYTES);
    wire_add_varint(out, size);
    buffer_add(out, data, size);
}

/* The size comes before the message and is not known yet. One byte is left for it, which does for most; a message of
 * 128 bytes or more is moved on by what its size needs beyond that. */
size_t
wire_open(buffer *out, uint32_t number)
{
    wire_add_tag(out, number, WIRE_BYTES);
    buffer_add_byte(out, 0);
    return out->size;
}

void
wire_close(buffer *out, size_t opened)
{
    const size_t size = out->size - opened;
    size_t       extra = 0;
    char        *at;

    for (size_t rest = size >> 7; rest > 0; rest >>= 7)
        extra++;
    if (out->failed || (extra > 0 && !buffer_reserve(out, extra)))
        return;
    at = out->data + opened - 1;
    if (extra > 0)
        memmove(at + 1 + extra, at + 1, size);
    out->size += extra;
    for (size_t i = 0; i <= extra; i++)
        at[i] = (char)(unsigned char)((size >> (7 * i) & 127) | (i < extra ? 128 : 0));
}
