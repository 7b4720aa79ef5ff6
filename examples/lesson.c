/* The lesson in C: create a collection, write documents, search them by meaning, close and reopen,
 * overwrite one.
 *
 * A real program gets its vectors from a model. So that this one needs nothing but liboctant, a text's
 * vector counts its groups of three letters, hashed to DIM numbers: texts that share words are near.
 * usage: lesson PATH      build: cc lesson.c $(pkg-config --cflags --libs octant) -o lesson
 */
#include <octant.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIM 256
#define HITS 3

static const char *const texts[] = {
    "Batching requests raises the throughput of a transformer",
    "A key-value cache makes decoding with transformers fast",
    "Dropout keeps neural networks from overfitting",
    "Decision trees split the data by questions",
    "The learning rate is the size of a step",
    "Grind the coffee beans just before brewing",
};

/* Ends the program with the error's sentence unless `status` is OCT_OK. */
static void
must(oct_status status, const oct_error *error)
{
    if (status != OCT_OK) {
        fprintf(stderr, "%s: %s\n", oct_status_text(status), error->text);
        exit(1);
    }
}

static oct_slice
slice(const char *text)
{
    return (oct_slice){text, strlen(text)};
}

static void
embed(const char *text, float vector[DIM])
{
    memset(vector, 0, DIM * sizeof(float));
    for (size_t i = 0; i + 3 <= strlen(text); i++) {
        unsigned hash = 0;
        for (size_t j = i; j < i + 3; j++)
            hash = hash * 131 + (unsigned)tolower((unsigned char)text[j]);
        vector[hash % DIM] += 1;
    }
}

static void
upsert(oct_collection *collection, uint64_t id, const char *text)
{
    float      values[DIM];
    char       payload[256];
    oct_error  error;
    oct_vector vector = {.values = values, .value_count = DIM};
    oct_point  point = {.id = oct_id_number(id), .vectors = &vector, .vector_count = 1};

    embed(text, values);
    snprintf(payload, sizeof payload, "{\"text\":\"%s\"}", text);
    point.payload = slice(payload);
    must(oct_upsert(collection, &point, 1, NULL, NULL, &error), &error);
}

/* Prints the hits and returns the id of the first. */
static uint64_t
search(oct_collection *collection, const char *question)
{
    float              query[DIM];
    oct_error          error;
    oct_records       *hits;
    oct_search_request request = {.query = query, .dim = DIM, .limit = HITS, .select = {.with_payload = true}};
    uint64_t           first;

    embed(question, query);
    must(oct_search(collection, &request, &hits, &error), &error);
    printf("%s\n", question);
    for (size_t i = 0; i < hits->count; i++)
        printf("  %.4f | %llu | %.*s\n", (double)hits->items[i].score, (unsigned long long)hits->items[i].id.low,
               (int)hits->items[i].payload.size, hits->items[i].payload.data);
    first = hits->count > 0 ? hits->items[0].id.low : OCT_ID_NONE;
    oct_records_free(hits);
    return first;
}

int
main(int argc, char **argv)
{
    const oct_open_options options = {.path = argc > 1 ? argv[1] : "lesson-data"};
    oct_vector_config      vector;
    oct_collection_config  config;
    oct_database          *database;
    oct_collection        *documents;
    oct_error              error;
    bool                   existed;
    uint64_t               found[4];

    /* Create, upsert, search. */
    must(oct_open(&options, &database, &error), &error);
    oct_vector_config_init(&vector);
    vector.size = DIM;
    vector.distance = OCT_COSINE;
    oct_collection_config_init(&config);
    config.vectors = &vector;
    config.vector_count = 1;
    config.single_vector = 1;
    must(oct_collection_delete(database, slice("documents"), &existed, &error), &error);
    must(oct_collection_create(database, slice("documents"), &config, &error), &error);
    must(oct_collection_open(database, slice("documents"), &documents, &error), &error);
    for (uint64_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        upsert(documents, i + 1, texts[i]);
    found[0] = search(documents, "How to optimize transformer throughput?");
    found[1] = search(documents, "networks that overfit");

    /* Close and reopen: nothing is lost, nothing is built again. */
    oct_collection_close(documents);
    must(oct_close(database, &error), &error);
    must(oct_open(&options, &database, &error), &error);
    must(oct_collection_open(database, slice("documents"), &documents, &error), &error);
    found[2] = search(documents, "How to optimize transformer throughput?");

    /* Upsert over an existing id: the next search sees it. */
    upsert(documents, 4, "Optimize transformer throughput by quantizing the weights");
    found[3] = search(documents, "How to optimize transformer throughput?");
    oct_collection_close(documents);
    must(oct_close(database, &error), &error);
    return found[0] == 1 && found[1] == 3 && found[2] == 1 && found[3] == 4 ? 0 : 1;
}
