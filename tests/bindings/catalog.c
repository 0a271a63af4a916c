/* Changes of the catalogue, and quotas: catalog NUMBERS TEXTS. Both models have items whose ids are
 * numbers or texts, and vectors of SIZE and TEXT_SIZE numbers. */
#include <string.h>

#include "check.h"

#define SIZE 32
#define TEXT_SIZE 40

static recgrela_session started(recgrela_model model) {
    recgrela_session session;
    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_append(session, 0, NULL, NULL, &error));
    return session;
}

/* All recommendations; returns their number. */
static size_t all(recgrela_session session, size_t max_per_group, recgrela_scored best[200]) {
    const recgrela_filter filter = {.exclude_seen = 1, .max_per_group = max_per_group};
    size_t count;
    OK(recgrela_session_top_k(session, &filter, best, 200, &count, &error));
    return count;
}

static bool has(const recgrela_scored *best, size_t count, uint32_t item) {
    for (size_t i = 0; i < count; i++) {
        if (best[i].item == item) return true;
    }
    return false;
}

static void adds_and_retires(const char *path) {
    recgrela_model model;
    recgrela_scored best[200], before[200];
    uint32_t num_items, item, retired[2];
    size_t count;
    float vectors[2 * SIZE], scores[2];
    const int64_t ids[] = {7, 8};

    OK(recgrela_model_open(path, &model, &error));
    const recgrela_session session = started(model);
    const size_t first = all(session, 0, before);
    for (int i = 0; i < 2 * SIZE; i++) vectors[i] = 0.5f;
    OK(recgrela_model_add_int_items(model, ids, 2, vectors, 2 * SIZE, &error));
    OK(recgrela_model_num_items(model, &num_items, &error));
    OK(recgrela_model_index_of_int(model, 8, &item, &error));
    TRUE(item == num_items - 1);
    TRUE(all(session, 0, best) == first + 2 && has(best, first + 2, item));
    const uint32_t both[] = {item - 1, item};
    OK(recgrela_session_score(session, both, 2, scores, &error));
    TRUE(scores[0] == scores[1]);

    recgrela_config config;
    OK(recgrela_model_config(model, &config, &error));
    TRUE(config.num_items == num_items - 2);
    OK(recgrela_model_replaced(model, NULL, 0, &count, &error));
    TRUE(count == 0);

    OK(recgrela_model_retire(model, both, 2, &error));
    OK(recgrela_model_retired(model, retired, 2, &count, &error));
    TRUE(count == 2 && !memcmp(retired, both, sizeof both));
    TRUE(all(session, 0, best) == first && !memcmp(best, before, first * sizeof *best));
    OK(recgrela_model_reinstate(model, both, 1, &error));
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_model_retired(model, NULL, 0, &count, &error));
    TRUE(count == 1);
    TRUE(all(session, 0, best) == first + 1);

    EXPECT(RECGRELA_STATUS_OVERLAY,
           recgrela_model_add_int_items(model, ids, 2, vectors, SIZE, &error));
    const int64_t twice[] = {9, 9};
    EXPECT(RECGRELA_STATUS_OVERLAY,
           recgrela_model_add_int_items(model, twice, 2, vectors, 2 * SIZE, &error));
    const char *text = "a text";
    EXPECT(RECGRELA_STATUS_OVERLAY,
           recgrela_model_add_text_items(model, &text, 1, vectors, SIZE, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_model_add_int_items(model, NULL, 2, vectors, 2 * SIZE, &error));
    const uint32_t unknown = 1000000;
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM, recgrela_model_retire(model, &unknown, 1, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM, recgrela_model_reinstate(model, &unknown, 1, &error));
    OK(recgrela_model_num_items(model, &item, &error));
    TRUE(item == num_items);
    int64_t id;
    OK(recgrela_model_int_id(model, 3, &id, &error));
    OK(recgrela_model_add_int_items(model, &id, 1, vectors, SIZE, &error));
    OK(recgrela_model_replaced(model, retired, 2, &count, &error));
    TRUE(count == 1 && retired[0] == 3);
    OK(recgrela_session_free(session, &error));
    OK(recgrela_model_free(model, &error));
}

/* The bytes of an overlay move its changes to another load of the model. */
static void moves_an_overlay(const char *path) {
    recgrela_model from, to;
    recgrela_scored best[200], same[200];
    uint8_t bytes[16384], empty[4096], snapshot[65536];
    size_t size, empty_size, snapshot_size, required;
    uint32_t item;
    float vector[TEXT_SIZE] = {1};
    const char *id = "neu\xc3\xbc";

    OK(recgrela_model_open(path, &from, &error));
    OK(recgrela_model_open(path, &to, &error));
    OK(recgrela_model_overlay(from, empty, sizeof empty, &empty_size, &error));
    OK(recgrela_model_add_text_items(from, &id, 1, vector, TEXT_SIZE, &error));
    OK(recgrela_model_overlay(from, bytes, sizeof bytes, &size, &error));
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_model_overlay(from, bytes, size - 1, &required, &error));
    TRUE(required == size);
    OK(recgrela_model_set_overlay(to, bytes, size, &error));
    OK(recgrela_model_index_of_text(to, id, &item, &error));

    const recgrela_session session = started(from), other = started(to);
    OK(recgrela_session_append(session, item, NULL, NULL, &error));
    OK(recgrela_session_snapshot(session, snapshot, sizeof snapshot, &snapshot_size, &error));
    OK(recgrela_session_restore(other, snapshot, snapshot_size, &error));
    const size_t count = all(session, 0, best);
    TRUE(all(other, 0, same) == count && !memcmp(best, same, count * sizeof *best));

    EXPECT(RECGRELA_STATUS_OVERLAY, recgrela_model_set_overlay(to, empty, empty_size, &error));
    EXPECT(RECGRELA_STATUS_OVERLAY, recgrela_model_set_overlay(to, bytes, size - 1, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_set_overlay(to, NULL, size, &error));
    id = "\xff";
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_model_add_text_items(from, &id, 1, vector, TEXT_SIZE, &error));
    OK(recgrela_session_free(session, &error));
    OK(recgrela_session_free(other, &error));
    OK(recgrela_model_free(from, &error));
    OK(recgrela_model_free(to, &error));
}

static void limits_groups(const char *path) {
    recgrela_model model;
    recgrela_session clone;
    recgrela_scored best[200], limited[200];
    int64_t groups[200];
    uint32_t num_items;
    size_t taken[3] = {0}, count = 0;

    OK(recgrela_model_open(path, &model, &error));
    const recgrela_session session = started(model);
    const recgrela_filter filter = {.exclude_seen = 1, .max_per_group = 2};
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_top_k(session, &filter, best, 200, &count, &error));
    TRUE(strstr(error.message, "recgrela_model_set_groups"));
    OK(recgrela_model_num_items(model, &num_items, &error));
    for (uint32_t i = 0; i < num_items; i++) groups[i] = (int64_t)(i % 3) - 1;
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_model_set_groups(model, groups, num_items - 1, &error));
    OK(recgrela_model_set_groups(model, groups, num_items, &error));

    const size_t full = all(session, 0, best);
    TRUE(all(session, 2, limited) == 6);
    for (size_t i = 0; i < full; i++) {
        if (taken[best[i].item % 3]++ >= 2) continue;
        TRUE(!memcmp(&limited[count], &best[i], sizeof *best));
        count++;
    }
    TRUE(count == 6);
    OK(recgrela_session_clone(session, &clone, &error));
    TRUE(all(clone, 1, limited) == 3);
    OK(recgrela_session_peek(session, NULL, NULL, NULL, 0, &filter, limited, 200, &count, &error));
    TRUE(count == 6);
    OK(recgrela_session_free(session, &error));
    OK(recgrela_session_free(clone, &error));
    OK(recgrela_model_free(model, &error));
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    adds_and_retires(argv[1]);
    moves_an_overlay(argv[2]);
    limits_groups(argv[1]);
    return 0;
}
