/* The server's YAML file. */
#include "fuzz/fuzz.h"
#include "server/config.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    server_config config;
    char         *text = oct_copy_text((const char *)data, size);
    oct_error     error = {0};

    OCT_MUST(text != NULL && server_config_init(&config, &error) == OCT_OK);
    if (server_config_read_yaml(&config, (oct_slice){text, size}, "config.yaml", &error) != OCT_OK)
        OCT_MUST(error.text[0] != '\0');
    server_config_clear(&config);
    oct_free(text);
    return 0;
}
