/* box.h - making the immutable boxes in which configurations are read (config_box, collection.h). For the catalogue, which
 * replaces them; what reads them needs collection.h only. */
#ifndef OCT_COLLECTION_BOX_H
#define OCT_COLLECTION_BOX_H

#include "collection/collection.h"

/* A box of a copy of `config`. `numbers` NULL: 0, 1, 2, ... `before` (NULL: there was none) is what it will replace; what
 * is kept beside a configuration that has not changed is taken over. */
oct_status box_new(const oct_collection_config *config, const uint32_t *numbers, uint32_t next_number,
                   const config_box *before, config_box **out, oct_error *error);
/* What becomes of a box by a change: names that it had keep their numbers, others get new ones. */
oct_status box_after(const config_box *before, const oct_collection_config *config, config_box **out, oct_error *error);
/* A config_box; NULL is accepted. For epoch_retire too. */
void       box_free(void *box);

#endif
