/* Failures where a program can hardly go on: without memory, and while a thread ends. Each must
   return a status; none may end the program. scripts/check-c-library.sh runs it. */

#include <atomik.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static void check(const char *what, int status, int expected) {
    if (status != expected) {
        fprintf(stderr, "%s: status %d, expected %d: %s\n", what, status, expected,
                atomik_last_error());
        exit(1);
    }
}

static void fail(const char *what) {
    check(what, atomik_register_file_new("bad", 1, NULL), ATOMIK_STATUS_LAYOUT);
    if (atomik_last_error()[0] == '\0') {
        fprintf(stderr, "%s: no message\n", what);
        _Exit(1);
    }
}

static void at_exit(void) {
    fail("in a handler of atexit");
    puts("limits: ok");
}

static void at_thread_end(void *key) {
    (void)key;
    fail("in a destructor of a thread");
}

static void *thread(void *key) {
    fail("in a thread");
    pthread_setspecific(*(pthread_key_t *)key, key);
    return NULL;
}

/* Leaves so many bytes to allocate, whatever was allocated before. */
static void limit_memory(size_t rest) {
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%lu", &pages) != 1) {
        exit(1);
    }
    fclose(statm);
    struct rlimit limit = {pages * 4096 + rest, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
}

int main(void) {
    pthread_key_t key;
    pthread_t other;
    atomik_register_file *file = NULL, *copy = NULL;
    atomik_model *model = NULL;

    atexit(at_exit);
    pthread_key_create(&key, at_thread_end);
    pthread_create(&other, NULL, thread, &key);
    pthread_join(other, NULL);

    check("new", atomik_register_file_new("xor:512", 1 << 20, &file), ATOMIK_STATUS_OK);
    limit_memory(8 << 20);
    check("copy", atomik_register_file_copy(file, &copy), ATOMIK_STATUS_OUT_OF_MEMORY);
    check("bank", atomik_register_file_bank(file, &copy), ATOMIK_STATUS_OUT_OF_MEMORY);
    check("merge", atomik_register_file_merge(file, file), ATOMIK_STATUS_OUT_OF_MEMORY);
    check("restore", atomik_register_file_restore(file, file), ATOMIK_STATUS_OK);
    check("model", atomik_model_new("xor:512", 16, 1, 1 << 20, 16, &model),
          ATOMIK_STATUS_OUT_OF_MEMORY);
    if (copy != NULL || model != NULL) {
        fputs("a refused call has given a handle\n", stderr);
        return 1;
    }
    atomik_register_file_free(file);
    return 0;
}
