/* The bytes of a log file: read to its end or refused, by name; and a log that was opened takes records again. */
#include "fuzz/fuzz.h"
#include "storage/log.h"
#include "support/os_fault.h"

static oct_status
look(void *context, const log_record *record, oct_error *error)
{
    uint64_t *sum = context;

    (void)error;
    for (size_t i = 0; i < record->body.size; i++)
        *sum += (uint8_t)record->body.data[i];
    return OCT_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char path[] = "/log/0000000001.log";
    os               *disk = os_fault_new();
    const log_options options = {.system = disk, .path = "/log"};
    write_log        *log = NULL;
    os_file          *file = NULL;
    uint64_t          sum = 0, sequence;
    oct_error         error = {0};
    oct_status        status;

    OCT_MUST(os_make_dir(disk, "/log", NULL) == OCT_OK);
    OCT_MUST(os_open(disk, path, OS_CREATE, &file, NULL) == OCT_OK);
    OCT_MUST(os_write(file, 0, data, size, NULL) == OCT_OK);
    os_close(file);
    status = log_open(&options, 0, look, &sum, &log, &error);
    OCT_MUST(status == OCT_OK || (error.text[0] != '\0' && log == NULL));
    if (status == OCT_OK) {
        const oct_slice part = {"abc", 3};

        OCT_MUST(log_append(log, 1, &part, 1, &sequence, NULL) == OCT_OK && log_wait(log, sequence, NULL) == OCT_OK);
    }
    (void)log_close(log, NULL);
    os_free(disk);
    return 0;
}
