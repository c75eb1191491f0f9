/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Two counters of 32 bits in one word: a main loop and a bank count, the bank is merged, and one
 * delta is undone.
 */
#include <atomik.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program if a call failed. */
static void check(atomik_status status) {
    if (status != ATOMIK_STATUS_OK) {
        fprintf(stderr, "counters: %s\n", atomik_last_error());
        exit(EXIT_FAILURE);
    }
}

static void print(const char *when, const atomik_register_file *table) {
    uint64_t state;
    bool clean;
    check(atomik_register_file_read(table, 3, &state, &clean));
    printf("%s: %" PRIu64 " and %" PRIu64 "%s\n", when, state & UINT32_MAX, state >> 32,
           clean ? ", clean" : "");
}

int main(void) {
    const uint64_t start = UINT64_C(100) << 32 | 7;
    const uint64_t one_each = UINT64_C(1) << 32 | 1;
    const uint64_t deltas[] = {one_each, one_each};
    const size_t addrs[] = {3, 16};
    atomik_register_file *table = NULL;
    atomik_register_file *bank = NULL;

    printf("libatomik %s\n", atomik_version());
    check(atomik_register_file_new("add:32,add:32", 16, &table));
    check(atomik_register_file_load(table, 3, &start));
    check(atomik_register_file_bank(table, &bank));
    print("start", table);

    for (int i = 0; i < 5; i++) {
        check(atomik_register_file_accum(table, 3, &one_each));
        check(atomik_register_file_accum(bank, 3, &one_each));
    }
    check(atomik_register_file_merge(table, bank));
    print("merged", table);

    check(atomik_register_file_rollback(table, 3, &one_each));
    print("one undone", table);

    /* A refused call changes nothing: of this list, not even the first. */
    if (atomik_register_file_accum_all(table, 2, addrs, deltas) != ATOMIK_STATUS_ADDRESS) {
        return EXIT_FAILURE;
    }
    printf("refused: %s\n", atomik_last_error());
    print("still", table);

    atomik_register_file_free(bank);
    atomik_register_file_free(table);
    return EXIT_SUCCESS;
}
