/* Every misuse returns a status and a message and changes nothing: misuse MODEL DAMAGED. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <recgrela.h>

#define EVENTS 50
#define LOADS 1000

static recgrela_error error;

static void fail(int line, const char *what) {
    fprintf(stderr, "misuse.c:%d: %s: status %d, %s\n", line, what, (int)error.status, error.message);
    exit(1);
}

#define EXPECT(expected, call)                                   \
    do {                                                         \
        error.message[0] = '\0';                                 \
        if ((call) != (expected)) fail(__LINE__, #call);         \
        if ((expected) != RECGRELA_STATUS_OK &&                  \
            (error.status != (expected) || !error.message[0])) { \
            fail(__LINE__, "no message");                        \
        }                                                        \
    } while (0)
#define OK(call) EXPECT(RECGRELA_STATUS_OK, call)

static void handles(const char *path) {
    const recgrela_model no_model = {0}, made_up = {0x0123456789abcdef};
    const recgrela_session no_session = {0};
    recgrela_model model;
    recgrela_session session;
    uint32_t number;
    uint64_t events;

    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_model_num_items(no_model, &number, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_model_num_items(made_up, &number, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_session_new(no_model, &session, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE,
           recgrela_session_append(no_session, 0, NULL, NULL, &error));
    OK(recgrela_model_free(no_model, &error));
    OK(recgrela_session_free(no_session, &error));

    OK(recgrela_model_open(path, &model, &error));
    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_model_free(model, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_model_free(model, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_model_verify(model, &error));
    /* the session keeps its model alive */
    OK(recgrela_session_append(session, 0, NULL, NULL, &error));
    OK(recgrela_session_free(session, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_session_free(session, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_session_events(session, &events, &error));

    const recgrela_session freed = session; /* its slot is reused under another handle */
    OK(recgrela_model_open_mmap(path, &model, &error));
    OK(recgrela_model_verify(model, &error));
    OK(recgrela_session_new(model, &session, &error));
    EXPECT(RECGRELA_STATUS_INVALID_HANDLE, recgrela_session_append(freed, 0, NULL, NULL, &error));
    OK(recgrela_session_free(session, &error));
    OK(recgrela_model_free(model, &error));
}

static void files(const char *path, const char *damaged) {
    recgrela_model model = {1};
    EXPECT(RECGRELA_STATUS_IO, recgrela_model_open("/no/such/file", &model, &error));
    EXPECT(RECGRELA_STATUS_IO, recgrela_model_open_mmap("/no/such/file", &model, &error));
    EXPECT(RECGRELA_STATUS_MODEL, recgrela_model_open(damaged, &model, &error));
    EXPECT(RECGRELA_STATUS_MODEL, recgrela_model_from_bytes(NULL, 0, &model, &error));
    EXPECT(RECGRELA_STATUS_MODEL,
           recgrela_model_from_bytes((const uint8_t *)"hello", 5, &model, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_open(NULL, &model, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_open("\xff\xfe", &model, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_open(path, NULL, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_from_bytes(NULL, 8, &model, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_model_from_bytes((const uint8_t *)"", SIZE_MAX, &model, &error));
    if (model.id) fail(__LINE__, "got a handle of a model that was not loaded");
    if (recgrela_model_open("/no/such/file", &model, NULL) != RECGRELA_STATUS_IO) {
        fail(__LINE__, "without an error object");
    }
}

/* Invalid calls on a session are refused; afterwards it scores as before. */
static void sessions(recgrela_model model, uint32_t num_items) {
    recgrela_session session;
    recgrela_scored best[3], again[3];
    const uint32_t unknown[] = {0, num_items}, known[] = {0, 1};
    const recgrela_filter null_allow = {.allow = NULL, .allow_count = 2};
    const recgrela_filter unknown_deny = {.deny = unknown, .deny_count = 2};
    recgrela_filter not_zero = {0};
    size_t count;
    uint32_t item;
    float scores[2];

    OK(recgrela_session_new(model, &session, &error));
    EXPECT(RECGRELA_STATUS_NO_EVENTS,
           recgrela_session_top_k(session, NULL, best, 3, &count, &error));
    EXPECT(RECGRELA_STATUS_NO_EVENTS, recgrela_session_score(session, known, 2, scores, &error));
    OK(recgrela_session_append(session, 1, NULL, NULL, &error));
    OK(recgrela_session_top_k(session, NULL, best, 3, &count, &error));

    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_append(session, num_items, NULL, NULL, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_extend(session, unknown, NULL, NULL, 2, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_score(session, unknown, 2, scores, &error));
    item = 0;
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM, recgrela_model_index_of_int(model, -12345, &item, &error));
    if (item != UINT32_MAX) fail(__LINE__, "the item of an earlier call");
    if (strstr(error.message, "item -12345 is not among the model's ") == NULL)
        fail(__LINE__, "the message");
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_model_index_of_text(model, "no such", &item, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_extend(session, NULL, NULL, NULL, 2, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_score(session, known, 2, NULL, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_top_k(session, NULL, best, 3, NULL, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_top_k(session, &null_allow, best, 3, &count, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_top_k(session, &unknown_deny, best, 3, &count, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_step(session, num_items, NULL, NULL, NULL, best, 3, &count, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_step(session, 2, NULL, NULL, &unknown_deny, best, 3, &count, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_step(session, 2, NULL, NULL, NULL, NULL, 3, &count, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_step(session, 2, NULL, NULL, NULL, best, 3, NULL, &error));
    EXPECT(RECGRELA_STATUS_UNDO, recgrela_session_undo(session, 1, &error));
    EXPECT(RECGRELA_STATUS_UNDO, recgrela_session_keep_undo(session, SIZE_MAX, &error));
    EXPECT(RECGRELA_STATUS_LOG, recgrela_session_forget(session, known, 1, &error));

    OK(recgrela_session_top_k(session, NULL, again, 3, &count, &error));
    if (memcmp(best, again, sizeof best)) fail(__LINE__, "a refused call changed the session");
    memset(&not_zero.exclude_seen, 2, 1); /* not a valid bool */
    OK(recgrela_session_top_k(session, &not_zero, again, 3, &count, &error));
    if (memcmp(best, again, sizeof best)) fail(__LINE__, "exclude_seen must accept any byte but 0");
    OK(recgrela_session_free(session, &error));
}

static void snapshots(recgrela_model model) {
    recgrela_session session, other;
    size_t size;
    recgrela_scored best[3], again[3];

    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_append(session, 1, NULL, NULL, &error));
    OK(recgrela_session_top_k(session, NULL, best, 3, &size, &error));
    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_session_snapshot(session, NULL, 0, &size, &error));
    uint8_t *bytes = malloc(size);
    OK(recgrela_session_snapshot(session, bytes, size, &size, &error));
    OK(recgrela_session_append(session, 2, NULL, NULL, &error));
    bytes[size / 2] ^= 1;
    EXPECT(RECGRELA_STATUS_SNAPSHOT, recgrela_session_restore(session, bytes, size, &error));
    bytes[size / 2] ^= 1;
    EXPECT(RECGRELA_STATUS_SNAPSHOT, recgrela_session_restore(session, bytes, size - 1, &error));
    OK(recgrela_session_restore(session, bytes, size, &error));
    OK(recgrela_session_top_k(session, NULL, again, 3, &size, &error));
    if (memcmp(best, again, sizeof best)) fail(__LINE__, "the restored session differs from the saved one");
    OK(recgrela_session_clone(session, &other, &error));
    OK(recgrela_session_free(session, &error));
    OK(recgrela_session_append(other, 2, NULL, NULL, &error));
    OK(recgrela_session_free(other, &error));
    free(bytes);
}

/* Undo and forget give the scores of a history without the event. */
static void taking_back(recgrela_model model) {
    recgrela_session session;
    const uint32_t item = 2;
    size_t count;
    recgrela_scored best[3], undone[3], forgotten[3];

    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_keep_undo(session, 4, &error));
    OK(recgrela_session_keep_log(session, 100, &error));
    OK(recgrela_session_append(session, 1, NULL, NULL, &error));
    OK(recgrela_session_top_k(session, NULL, best, 3, &count, &error));
    OK(recgrela_session_append(session, item, NULL, NULL, &error));
    OK(recgrela_session_undoable(session, &count, &error));
    if (count != 2) fail(__LINE__, "expected two events that can be undone");
    OK(recgrela_session_undo(session, 1, &error));
    OK(recgrela_session_top_k(session, NULL, undone, 3, &count, &error));
    OK(recgrela_session_append(session, item, NULL, NULL, &error));
    OK(recgrela_session_forget(session, &item, 1, &error));
    OK(recgrela_session_top_k(session, NULL, forgotten, 3, &count, &error));
    if (memcmp(best, undone, sizeof best) || memcmp(best, forgotten, sizeof best)) {
        fail(__LINE__, "an undone event left a trace");
    }
    OK(recgrela_session_free(session, &error));
}

static void *append_many(void *session) {
    for (int i = 0; i < EVENTS; i++) {
        if (recgrela_session_append(*(recgrela_session *)session, 1, NULL, NULL, NULL)) return session;
    }
    return NULL;
}

/* Two threads on one session take turns; it may be freed meanwhile. */
static void threads(recgrela_model model) {
    recgrela_session session;
    pthread_t thread[2];
    uint64_t events;
    void *failed;

    OK(recgrela_session_new(model, &session, &error));
    for (int t = 0; t < 2; t++) pthread_create(&thread[t], NULL, append_many, &session);
    for (int t = 0; t < 2; t++) {
        pthread_join(thread[t], &failed);
        if (failed) fail(__LINE__, "a thread");
    }
    OK(recgrela_session_events(session, &events, &error));
    if (events != 2 * EVENTS) fail(__LINE__, "events were lost");

    pthread_create(&thread[0], NULL, append_many, &session);
    OK(recgrela_session_free(session, &error));
    pthread_join(thread[0], &failed);
}

static long resident_pages(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
        fclose(file);
    }
    return pages;
}

/* Growth in pages over loads and frees, after the first tenth. */
static long growth(const char *path) {
    long before = 0;
    for (int i = 0; i < LOADS; i++) {
        recgrela_model model;
        recgrela_session session;
        if (i == LOADS / 10) before = resident_pages();
        OK(recgrela_model_open(path, &model, &error));
        OK(recgrela_session_new(model, &session, &error));
        OK(recgrela_session_append(session, 0, NULL, NULL, &error));
        OK(recgrela_model_free(model, &error));
        OK(recgrela_session_free(session, &error));
    }
    return resident_pages() - before;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    recgrela_model model;
    uint32_t num_items;
    handles(argv[1]);
    files(argv[1], argv[2]);
    OK(recgrela_model_open(argv[1], &model, &error));
    OK(recgrela_model_verify(model, &error));
    OK(recgrela_model_num_items(model, &num_items, &error));
    sessions(model, num_items);
    snapshots(model);
    taking_back(model);
    threads(model);
    OK(recgrela_model_free(model, &error));
    printf("%ld\n", growth(argv[1]));
    return 0;
}
