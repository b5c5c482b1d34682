/* replay.c: inputs run one after the other, for compilers without libFuzzer.
 *
 *    fuzz_seeds [FILE or DIRECTORY ...]      the seeds by default, seen from the top directory */
#define _DEFAULT_SOURCE 1 /* scandir */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST ((size_t)1 << 20)
#define SEEDS "tests/fuzz/seeds"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static int
is_seen(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Each input in memory of its own size, so that reading past it is noticed. */
static void
replay_stream(FILE *stream, const char *path)
{
    static uint8_t room[LARGEST];
    size_t size = fread(room, 1, sizeof room, stream);
    uint8_t *data = malloc(size + (size == 0));
    if (data == NULL) {
        abort();
    }
    memcpy(data, room, size);
    printf("%s\n", path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static int
replay_file(const char *path)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        return 1;
    }
    replay_stream(stream, path);
    fclose(stream);
    return 0;
}

static int
replay(const char *path)
{
    struct dirent **entry;
    char name[4096];
    int n = scandir(path, &entry, is_seen, alphasort), failed = 0;
    if (n < 0) {
        return replay_file(path);
    }
    for (int i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "%s/%s", path, entry[i]->d_name);
        failed |= replay_file(name);
        free(entry[i]);
    }
    free(entry);
    return failed;
}

int
main(int argc, char **argv)
{
    int failed = argc < 2 ? replay(SEEDS) : 0;
    for (int i = 1; i < argc; i++) {
        failed |= replay(argv[i]);
    }
    printf("%u inputs\n", inputs);
    return failed || inputs == 0;
}
