/* The config of a model, vectors, snapshots in half precision and the bytes of undo: describe MODEL prints
 * the config, the types and, after three events, the user's vector, those of two items and a snapshot.
 * MODEL has neither kinds nor times nor a start vector. */
#include <inttypes.h>
#include <string.h>

#include "check.h"

#define SIZE 64
#define ITEMS 2

static const uint32_t history[] = {3, 1, 4}, items[ITEMS] = {5, 0};

static void prints_the_config(recgrela_model model) {
    recgrela_config config;
    char name[16];
    size_t size;

    OK(recgrela_model_config(model, &config, &error));
    printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", config.hidden_size,
           config.num_heads, config.num_layers, config.inner_size, config.num_items);
    printf("%s %d %d %d %d %d\n", config.positions, config.gate, config.local_conv,
           config.final_norm, config.start, config.gaps);
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_config(model, NULL, &error));

    OK(recgrela_model_table_dtype(model, name, sizeof name, &size, &error));
    TRUE(size == strlen(name) + 1);
    printf("%s\n", name);
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL, recgrela_model_isa(model, NULL, 0, &size, &error));
    TRUE(size <= sizeof name);
    OK(recgrela_model_isa(model, name, size, &size, &error));
    printf("%s\n", name);
}

static void prints_vectors(recgrela_model model, recgrela_session session) {
    float vectors[ITEMS * SIZE];
    const uint32_t unknown = 1000000;
    size_t count;

    OK(recgrela_session_user_vector(session, vectors, SIZE, &count, &error));
    for (size_t i = 0; i < count; i++) printf("%.9g\n", vectors[i]);
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_session_user_vector(session, vectors, count - 1, &count, &error));
    OK(recgrela_model_item_vectors(model, items, ITEMS, vectors, ITEMS * SIZE, &count, &error));
    for (size_t i = 0; i < count; i++) printf("%.9g\n", vectors[i]);
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_model_item_vectors(model, items, ITEMS, NULL, 0, &count, &error));
    OK(recgrela_model_item_vectors(model, NULL, 0, NULL, 0, &count, &error));
    TRUE(count == 0);
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_model_item_vectors(model, &unknown, 1, vectors, SIZE, &count, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_model_item_vectors(model, NULL, 1, vectors, SIZE, &count, &error));
}

/* The scores are the same after restoring, and nearly so after one more event. */
static void prints_a_snapshot(recgrela_model model, recgrela_session session) {
    recgrela_session other;
    uint8_t bytes[65536];
    float expected[ITEMS], found[ITEMS];
    size_t size, required, exact;

    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_session_snapshot(session, NULL, 0, &exact, &error));
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_session_snapshot_f16(session, NULL, 0, &required, &error));
    OK(recgrela_session_snapshot_f16(session, bytes, sizeof bytes, &size, &error));
    TRUE(size == required && size < exact);
    OK(recgrela_session_new(model, &other, &error));
    EXPECT(RECGRELA_STATUS_NO_EVENTS,
           recgrela_session_user_vector(other, found, 0, &required, &error));
    OK(recgrela_session_restore(other, bytes, size, &error));
    OK(recgrela_session_score(session, items, ITEMS, expected, &error));
    OK(recgrela_session_score(other, items, ITEMS, found, &error));
    TRUE(!memcmp(expected, found, sizeof expected));
    for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
    printf("\n");
    OK(recgrela_session_free(other, &error));
}

static void counts_the_bytes_of_undo(recgrela_session session) {
    size_t none, one, four;

    OK(recgrela_session_undo_bytes(session, &none, &error));
    OK(recgrela_session_keep_undo(session, 1, &error));
    OK(recgrela_session_undo_bytes(session, &one, &error));
    OK(recgrela_session_keep_undo(session, 4, &error));
    OK(recgrela_session_undo_bytes(session, &four, &error));
    TRUE(none == 0 && one > 0 && four == 4 * one);
    printf("%zu\n", four);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    recgrela_model model;
    recgrela_session session;
    OK(recgrela_model_open(argv[1], &model, &error));
    prints_the_config(model);
    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_extend(session, history, NULL, NULL, 3, &error));
    prints_vectors(model, session);
    prints_a_snapshot(model, session);
    counts_the_bytes_of_undo(session);
    OK(recgrela_session_free(session, &error));
    OK(recgrela_model_free(model, &error));
    return 0;
}
