/* The settings of text analysis. */
#include "base/base.h"

void
oct_text_config_init(oct_text_config *config)
{
    *config = (oct_text_config){.tokenizer = OCT_UNSET,
                                .lowercase = OCT_UNSET,
                                .ascii_folding = OCT_UNSET,
                                .min_token_len = OCT_UNSET,
                                .max_token_len = OCT_UNSET,
                                .stopwords = OCT_UNSET};
}
