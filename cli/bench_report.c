/* What `octant bench` measured, shown: tables, JSON, a plot; and where the memory is.
 *
 * MEMORY   The kernel knows which pages of this process belong to which file (/proc/self/smaps), and a column's file is
 *          named after what it holds: so the resident bytes of a part are those of its files. Pages that belong to no
 *          file (or were written since they were mapped) are "anonymous": heap, huge pages, stacks. Both are
 *          given as found, since a part that is copied out of its file into huge pages is in the second.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/json.h"
#include "bench.h"
#include "cli.h"

#define FOLDER_DEPTH_MAX 4 /* path/shard/<id>/file, and one to spare */

/* --- figures --------------------------------------------------------------------------------------------- */

double
bench_least(const bench_figure *figure)
{
    double least = figure->rounds[0];

    for (size_t i = 1; i < BENCH_ROUNDS; i++)
        least = fmin(least, figure->rounds[i]);
    return least;
}

double
bench_most(const bench_figure *figure)
{
    double most = figure->rounds[0];

    for (size_t i = 1; i < BENCH_ROUNDS; i++)
        most = fmax(most, figure->rounds[i]);
    return most;
}

_Static_assert(BENCH_ROUNDS == 3, "the middle of three is what is neither least nor most");

double
bench_middle(const bench_figure *figure)
{
    return figure->rounds[0] + figure->rounds[1] + figure->rounds[2] - bench_least(figure) -
           bench_most(figure);
}

/* --- memory by part -------------------------------------------------------------------------------------- */

/* The part of a file: its name up to the first dot, less digits at the end ("level2.0.7.data": "level"). */
static bench_part *
part_of(bench_memory *memory, const char *file)
{
    size_t size = strcspn(file, ".");

    while (size > 1 && file[size - 1] >= '0' && file[size - 1] <= '9')
        size--;
    size = size_min(size, BENCH_PART_BYTES - 1);
    for (size_t i = 0; i < memory->part_count; i++) {
        if (strlen(memory->parts[i].name) == size && memcmp(memory->parts[i].name, file, size) == 0)
            return &memory->parts[i];
    }
    if (memory->part_count == BENCH_PARTS_MAX)
        return NULL;
    memcpy(memory->parts[memory->part_count].name, file, size);
    return &memory->parts[memory->part_count++];
}

static const char *
last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* /proc/self/smaps: a line with the range and the file, then lines "Name:  123 kB" about it. */
static void
read_resident(const char *root, bench_memory *out)
{
    const size_t root_size = strlen(root);
    FILE        *file = fopen("/proc/self/smaps", "r");
    char         line[PATH_MAX + 128];
    bench_part  *part = NULL;
    uint64_t     value;

    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *path = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "Rss: %" SCNu64 " kB", &value) == 1) {
            if (part != NULL)
                part->resident_bytes += value * 1024;
        } else if (sscanf(line, "Anonymous: %" SCNu64 " kB", &value) == 1) {
            out->anonymous_bytes += value * 1024;
            if (part != NULL)
                part->resident_bytes -= value * 1024;      /* its Rss came before */
        } else if (strspn(line, "0123456789abcdef") > 0) { /* a range; names of fields begin with a capital */
            part = NULL;
            if (path != NULL && strncmp(path, root, root_size) == 0 && path[root_size] == '/')
                part = part_of(out, last_name(path));
        }
    }
    (void)fclose(file);
}

static void
read_disk(const char *folder, int depth, bench_memory *out)
{
    DIR           *open = opendir(folder);
    struct dirent *entry;

    if (open == NULL)
        return;
    while ((entry = readdir(open)) != NULL) {
        char        path[PATH_MAX];
        struct stat found;
        bench_part *part;

        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
            lstat(path, &found) != 0)
            continue;
        if (S_ISDIR(found.st_mode)) {
            if (depth < FOLDER_DEPTH_MAX)
                read_disk(path, depth + 1, out);
        } else if (S_ISREG(found.st_mode)) {
            /* Segments of the log are named by number. */
            part = part_of(out, strcmp(last_name(folder), "log") == 0 ? "log" : entry->d_name);
            if (part != NULL)
                part->disk_bytes += (uint64_t)found.st_blocks * 512;
        }
    }
    (void)closedir(open);
}

void
bench_memory_read(const char *path, bench_memory *out)
{
    char *root = realpath(path, NULL); /* as the kernel names files */

    *out = (bench_memory){0};
    if (root == NULL)
        return;
    read_resident(root, out);
    read_disk(root, 0, out);
    free(root);
}

/* --- text ------------------------------------------------------------------------------------------------ */

static const char *
distance_name(int64_t distance)
{
    static const char *const names[] = {"", "Cosine", "Euclid", "Dot", "Manhattan"};

    return distance > 0 && distance < (int64_t)countof(names) ? names[distance] : "unknown";
}

static void
add_title(buffer *out, const bench_result *result)
{
    buffer_format(out, SLICE_FMT "%s" SLICE_FMT, SLICE_ARG(result->collection),
                  result->vector.size > 0 ? ", vector " : "", SLICE_ARG(result->vector));
}

/* The collection's memory, as the engine counts it: bytes a point, by part. */
static void
show_parts(const bench_result *result)
{
    const double each = result->points == 0 ? 1 : (double)result->points;
    double       memory = 0, mapped = 0;

    (void)printf("\n  %-10s %24s %24s\n", "part", "own memory, bytes/point", "mapped, bytes/point");
    for (size_t i = 0; i < result->memory.count; i++) {
        const oct_memory_part *part = &result->memory.parts[i];

        (void)printf("  %-10s %24.1f %24.1f\n", part->name, (double)part->memory_bytes / each,
                     (double)part->mapped_bytes / each);
        memory += (double)part->memory_bytes;
        mapped += (double)part->mapped_bytes;
    }
    (void)printf("  %-10s %24.1f %24.1f\n", "sum", memory / each, mapped / each);
}

static void
add_parts(buffer *out, const oct_memory_info *memory)
{
    buffer_add_text(out, ",\"parts\":{");
    for (size_t i = 0; i < memory->count; i++)
        buffer_format(out, "%s\"%s\":{\"memory_bytes\":%" PRIu64 ",\"mapped_bytes\":%" PRIu64 "}",
                      i > 0 ? "," : "", memory->parts[i].name, memory->parts[i].memory_bytes,
                      memory->parts[i].mapped_bytes);
    buffer_add_text(out, "}");
}

void
bench_show_table(const bench_result *result)
{
    buffer title = {0};

    add_title(&title, result);
    (void)printf("\n%.*s\n  %" PRIu64 " points, %" PRId64 " %s; m %" PRId64 ", ef_construct %" PRId64
                 "; %" PRIu64 " vectors in the graph, %" PRIu64 " in the tail, %" PRIu64 " deleted\n",
                 (int)title.size, title.data, result->points, result->size, distance_name(result->distance),
                 result->m, result->ef_construct, result->graph_rows, result->tail_rows, result->dead_rows);
    (void)printf(
        "  %zu stored vectors as queries, each without itself; median of %d rounds (least .. most)\n\n",
        result->queries, BENCH_ROUNDS);
    (void)printf("  %6s  %9s%zu  %26s  %9s  %8s  %8s  %12s %2" PRIu32 " threads\n", "ef", "recall@",
                 result->k, "QPS, one thread", "by CPU", "p50 us", "p99 us", "QPS,", result->threads);
    for (size_t i = 0; i < result->point_count; i++) {
        const bench_point *point = &result->points_at[i];
        char               spread[64];

        (void)snprintf(spread, sizeof spread, "%.0f (%.0f .. %.0f)", bench_middle(&point->qps),
                       bench_least(&point->qps), bench_most(&point->qps));
        (void)printf("  %6zu  %10.4f  %26s  %9.0f  %8.0f  %8.0f  %15.0f\n", point->ef, point->recall, spread,
                     bench_middle(&point->cpu_qps), bench_middle(&point->p50_us),
                     bench_middle(&point->p99_us), bench_middle(&point->all_qps));
        if (point->found < 1)
            (void)printf("          only %.4f of the hits that there are were returned\n", point->found);
    }
    (void)printf("  %6s  %10.4f  %26.0f\n", "exact", 1.0, result->exact_qps.rounds[0]);
    show_parts(result);
    (void)fflush(stdout);
    buffer_clear(&title);
}

void
bench_show_memory(const bench_memory *memory, const bench_memory *before, uint64_t points)
{
    const double each = points == 0 ? 1 : (double)points;
    const double anonymous = (double)memory->anonymous_bytes - (double)before->anonymous_bytes;
    double       resident = 0, disk = 0;

    (void)printf("\nmemory and disk, all collections of this database\n  %-12s %14s %10s %14s %10s\n", "part",
                 "resident MB", "a point", "disk MB", "a point");
    for (size_t i = 0; i < memory->part_count; i++) {
        const bench_part *part = &memory->parts[i];

        (void)printf("  %-12s %14.1f %10.0f %14.1f %10.0f\n", part->name, (double)part->resident_bytes / 1e6,
                     (double)part->resident_bytes / each, (double)part->disk_bytes / 1e6,
                     (double)part->disk_bytes / each);
        resident += (double)part->resident_bytes;
        disk += (double)part->disk_bytes;
    }
    (void)printf("  %-12s %14.1f %10.0f\n", "anonymous", anonymous / 1e6, anonymous / each);
    (void)printf("  %-12s %14.1f %10.0f %14.1f %10.0f\n", "sum", (resident + anonymous) / 1e6,
                 (resident + anonymous) / each, disk / 1e6, disk / each);
    (void)printf(
        "  Parts are pages of mapped files, which the system may drop and read again; anonymous memory it "
        "may\n"
        "  not: what was copied out of files, scratch of searches, and the queries of this measurement.\n");
}

/* --- JSON ------------------------------------------------------------------------------------------------ */

static void
add_figure(buffer *out, const char *name, const bench_figure *figure)
{
    buffer_format(out, ",\"%s\":{\"median\":%.2f,\"least\":%.2f,\"most\":%.2f}", name, bench_middle(figure),
                  bench_least(figure), bench_most(figure));
}

void
bench_add_json(buffer *out, const bench_result *result)
{
    buffer_add_text(out, "{\"collection\":");
    json_add_text(out, result->collection);
    buffer_add_text(out, ",\"vector\":");
    json_add_text(out, result->vector);
    buffer_format(
        out,
        ",\"points\":%" PRIu64 ",\"graph_rows\":%" PRIu64 ",\"tail_rows\":%" PRIu64
        ",\"deleted_rows\":%" PRIu64 ",\"ram_bytes\":%" PRIu64 ",\"disk_bytes\":%" PRIu64 ",\"size\":%" PRId64
        ",\"distance\":\"%s\",\"m\":%" PRId64 ",\"ef_construct\":%" PRId64
        ",\"queries\":%zu,\"k\":%zu,\"threads\":%" PRIu32 ",\"rounds\":%d,\"exact_qps\":%.2f,\"at\":[",
        result->points, result->graph_rows, result->tail_rows, result->dead_rows, result->ram_bytes,
        result->disk_bytes, result->size, distance_name(result->distance), result->m, result->ef_construct,
        result->queries, result->k, result->threads, BENCH_ROUNDS, result->exact_qps.rounds[0]);
    for (size_t i = 0; i < result->point_count; i++) {
        const bench_point *point = &result->points_at[i];

        buffer_format(out, "%s{\"ef\":%zu,\"recall\":%.6f,\"found\":%.6f", i > 0 ? "," : "", point->ef,
                      point->recall, point->found);
        add_figure(out, "qps", &point->qps);
        add_figure(out, "cpu_qps", &point->cpu_qps);
        add_figure(out, "p50_us", &point->p50_us);
        add_figure(out, "p99_us", &point->p99_us);
        add_figure(out, "all_threads_qps", &point->all_qps);
        buffer_add_byte(out, '}');
    }
    buffer_add_text(out, "]");
    add_parts(out, &result->memory);
    buffer_add_text(out, "}");
}

void
bench_add_memory_json(buffer *out, const bench_memory *memory, const bench_memory *before)
{
    buffer_format(out, "{\"anonymous_bytes\":%" PRId64 ",\"parts\":[",
                  (int64_t)memory->anonymous_bytes - (int64_t)before->anonymous_bytes);
    for (size_t i = 0; i < memory->part_count; i++) {
        buffer_add_text(out, i > 0 ? ",{\"part\":" : "{\"part\":");
        json_add_text(out, slice_of(memory->parts[i].name));
        buffer_format(out, ",\"resident_bytes\":%" PRIu64 ",\"disk_bytes\":%" PRIu64 "}",
                      memory->parts[i].resident_bytes, memory->parts[i].disk_bytes);
    }
    buffer_add_text(out, "]}");
}

/* --- a plot ---------------------------------------------------------------------------------------------- */

enum {
    PLOT_WIDTH = 760,
    PLOT_HEIGHT = 470,
    PLOT_LEFT = 84,
    PLOT_RIGHT = 28,
    PLOT_TOP = 96,
    PLOT_BOTTOM = 60
};

/* Recall in nines (0.9: 1, 0.99: 2), speed in powers of ten: both axes linear in those. */
typedef struct scale {
    double x_low, x_high, y_low, y_high;
} scale;

static double
nines(double recall)
{
    return -log10(fmax(1 - recall, 1e-4));
}

static double
x_of(const scale *self, double recall)
{
    return PLOT_LEFT + (nines(recall) - self->x_low) / (self->x_high - self->x_low) *
                           (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT);
}

static double
y_of(const scale *self, double qps)
{
    return PLOT_HEIGHT - PLOT_BOTTOM -
           (log10(qps) - self->y_low) / (self->y_high - self->y_low) * (PLOT_HEIGHT - PLOT_TOP - PLOT_BOTTOM);
}

static void
add_label(buffer *out, double x, double y, const char *anchor, const char *color, const char *text)
{
    buffer_format(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", x, y, anchor,
                  color, text);
}

static void
add_line(buffer *out, double x1, double y1, double x2, double y2, const char *color)
{
    buffer_format(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2,
                  y2, color);
}

/* Names come from outside: what would be markup is not. */
static void
add_escaped(buffer *out, oct_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (c == '<' || c == '>' || c == '&' || c == '"')
            buffer_format(out, "&#%d;", c);
        else if ((unsigned char)c >= ' ')
            buffer_add_byte(out, c);
    }
}

static void
add_axes(buffer *out, const scale *axes)
{
    static const double recalls[] = {0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995};
    const double        bottom = PLOT_HEIGHT - PLOT_BOTTOM, right = PLOT_WIDTH - PLOT_RIGHT;
    char                text[32];

    for (size_t i = 0; i < countof(recalls); i++) {
        const double x = x_of(axes, recalls[i]);

        if (x < PLOT_LEFT || x > right)
            continue;
        (void)snprintf(text, sizeof text, "%g", recalls[i]);
        add_line(out, x, PLOT_TOP, x, bottom, "#e5e7eb");
        add_label(out, x, bottom + 19, "middle", "#6b7280", text);
    }
    for (int power = 0; power < 8; power++) {
        for (int step = 0; step < 3; step++) {
            const double qps = pow(10, power) * (step == 0 ? 1 : step == 1 ? 2 : 5);
            const double y = y_of(axes, qps);

            if (y < PLOT_TOP || y > bottom)
                continue;
            (void)snprintf(text, sizeof text, "%.0f", qps);
            add_line(out, PLOT_LEFT, y, right, y, "#e5e7eb");
            add_label(out, PLOT_LEFT - 9, y + 4.5, "end", "#6b7280", text);
        }
    }
    add_line(out, PLOT_LEFT, bottom, right, bottom, "#1f2937");
    add_line(out, PLOT_LEFT, PLOT_TOP, PLOT_LEFT, bottom, "#1f2937");
    add_label(out, (PLOT_LEFT + right) / 2, PLOT_HEIGHT - 15, "middle", "#1f2937", "recall");
}

static scale
fit(const bench_result *results, size_t count)
{
    scale axes = {4, 0, 9, 0};

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < results[i].point_count; j++) {
            const bench_point *point = &results[i].points_at[j];
            const double       speed = log10(fmax(bench_middle(&point->qps), 1));

            axes.x_low = fmin(axes.x_low, nines(point->recall));
            axes.x_high = fmax(axes.x_high, nines(point->recall));
            axes.y_low = fmin(axes.y_low, speed);
            axes.y_high = fmax(axes.y_high, speed);
        }
    }
    axes.x_low -= 0.1;
    axes.x_high += 0.1;
    axes.y_low -= 0.1;
    axes.y_high += 0.1;
    return axes;
}

bool
bench_write_plot(const char *path, const bench_result *results, size_t count)
{
    static const char *const colors[] = {"#c2410c", "#1d4ed8", "#047857", "#7c3aed", "#be185d", "#0e7490"};
    const scale              axes = fit(results, count);
    buffer                   out = {0}, title = {0};
    FILE                    *file = NULL;
    double                   legend = PLOT_LEFT;
    bool                     written = false;

    buffer_format(
        &out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
        "font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\" font-size=\"13\">\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
        PLOT_WIDTH, PLOT_HEIGHT, PLOT_WIDTH, PLOT_HEIGHT, PLOT_WIDTH, PLOT_HEIGHT);
    buffer_format(
        &out,
        "<text x=\"%d\" y=\"32\" font-size=\"18\" font-weight=\"bold\" fill=\"#1f2937\">Queries a second by "
        "recall@%zu</text>\n",
        PLOT_LEFT, results[0].k);
    add_label(&out, PLOT_LEFT, 53, "start", "#6b7280",
              "one thread, a call a query, stored vectors as queries; up and right is better");
    add_axes(&out, &axes);
    for (size_t i = 0; i < count; i++) {
        const char *color = colors[i % countof(colors)];

        buffer_format(&out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2.5\" points=\"", color);
        for (size_t j = 0; j < results[i].point_count; j++) {
            buffer_format(&out, "%.1f,%.1f ", x_of(&axes, results[i].points_at[j].recall),
                          y_of(&axes, fmax(bench_middle(&results[i].points_at[j].qps), 1)));
        }
        buffer_add_text(&out, "\"/>\n");
        for (size_t j = 0; j < results[i].point_count; j++) {
            const bench_point *point = &results[i].points_at[j];

            buffer_format(&out,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#ffffff\" stroke=\"%s\" "
                          "stroke-width=\"2\"><title>ef "
                          "%zu: %.0f at %.4f</title></circle>\n",
                          x_of(&axes, point->recall), y_of(&axes, fmax(bench_middle(&point->qps), 1)), color,
                          point->ef, bench_middle(&point->qps), point->recall);
        }
        if (i < countof(colors)) { /* a legend of more has no room */
            title.size = 0;
            add_title(&title, &results[i]);
            add_line(&out, legend, 76, legend + 24, 76, color);
            buffer_format(&out, "<text x=\"%.1f\" y=\"80.5\" fill=\"#1f2937\">", legend + 30);
            add_escaped(&out, (oct_slice){title.data, size_min(title.size, 24)});
            buffer_add_text(&out, "</text>\n");
            legend += 54 + 7.5 * (double)size_min(title.size, 24);
        }
    }
    buffer_add_text(&out, "</svg>\n");
    if (out.failed) {
        (void)cli_fail("out of memory");
    } else if ((file = fopen(path, "wb")) == NULL || fwrite(out.data, 1, out.size, file) != out.size ||
               fflush(file) != 0) {
        (void)cli_fail("%s: %s", path, strerror(errno));
    } else {
        written = true;
    }
    if (file != NULL)
        (void)fclose(file);
    buffer_clear(&title);
    buffer_clear(&out);
    return written;
}
