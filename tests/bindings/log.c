/* The log, reasons and migrating: log MODEL PLAIN prints position, item, kind and drop of reasons.
 * MODEL has three kinds or more and a start vector, PLAIN has neither; both have more than 40 items. */
#include <inttypes.h>
#include <string.h>

#include "check.h"

#define EVENTS 12
#define ITEM 30

static uint32_t items[EVENTS];
static uint8_t kinds[EVENTS];

static recgrela_session started(recgrela_model model, const uint8_t *kinds_or_null) {
    recgrela_session session;
    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_keep_log(session, 100, &error));
    OK(recgrela_session_extend(session, items, kinds_or_null, NULL, EVENTS, &error));
    return session;
}

static void reads_the_log(recgrela_session session, recgrela_session plain) {
    uint32_t found[EVENTS];
    uint8_t found_kinds[EVENTS];
    size_t count;

    EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
           recgrela_session_log(session, NULL, NULL, NULL, 0, &count, &error));
    TRUE(count == EVENTS);
    OK(recgrela_session_log(session, found, found_kinds, NULL, EVENTS, &count, &error));
    TRUE(count == EVENTS && !memcmp(found, items, sizeof items));
    TRUE(!memcmp(found_kinds, kinds, sizeof kinds));
    OK(recgrela_session_log(plain, found, NULL, NULL, EVENTS, &count, &error));
    TRUE(count == EVENTS && !memcmp(found, items, sizeof items));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_log(plain, found, found_kinds, NULL, EVENTS, &count, &error));
}

static void prints_reasons(recgrela_session session) {
    recgrela_reason reasons[EVENTS], best;
    size_t count, one;

    OK(recgrela_session_why(session, ITEM, reasons, EVENTS, &count, &error));
    OK(recgrela_session_why(session, ITEM, &best, 1, &one, &error));
    TRUE(count > 1 && one == 1 && best.position == reasons[0].position);
    for (size_t i = 0; i < count; i++) {
        printf("%" PRIu64 " %" PRIu32 " %d %.9g\n", reasons[i].position, reasons[i].item,
               reasons[i].kind, reasons[i].drop);
    }
}

static void refuses_reasons(recgrela_model plain) {
    recgrela_session session;
    recgrela_reason reason;
    size_t count;

    OK(recgrela_session_new(plain, &session, &error));
    OK(recgrela_session_append(session, 1, NULL, NULL, &error));
    EXPECT(RECGRELA_STATUS_LOG, recgrela_session_why(session, 2, &reason, 1, &count, &error));
    OK(recgrela_session_keep_log(session, 10, &error));
    EXPECT(RECGRELA_STATUS_LOG, recgrela_session_why(session, 2, &reason, 1, &count, &error));
    EXPECT(RECGRELA_STATUS_UNKNOWN_ITEM,
           recgrela_session_why(session, 1000000, &reason, 1, &count, &error));
    OK(recgrela_session_free(session, &error));
}

static void migrates(recgrela_model plain, recgrela_session session) {
    uint8_t snapshot[65536], moved_kinds[EVENTS];
    uint32_t log[EVENTS];
    recgrela_session moved;
    uint64_t events;
    size_t size, count, known = EVENTS;

    OK(recgrela_session_snapshot(session, snapshot, sizeof snapshot, &size, &error));
    memcpy(log, items, sizeof log);
    for (size_t i = 0; i < EVENTS; i++) {
        if (log[i] != items[1]) continue;
        log[i] = RECGRELA_NO_ITEM; /* as if PLAIN lacked it */
        known--;
    }
    OK(recgrela_session_migrate(plain, snapshot, size, log, NULL, NULL, EVENTS, &moved, &error));
    OK(recgrela_session_events(moved, &events, &error));
    TRUE(events == known && known < EVENTS);
    /* as large as before */
    OK(recgrela_session_log(moved, log, NULL, NULL, EVENTS, &count, &error));
    TRUE(count == known && log[0] == items[0] && log[1] == items[2]);
    OK(recgrela_session_free(moved, &error));

    memset(moved_kinds, 0, sizeof moved_kinds);
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_migrate(plain, snapshot, size, items, moved_kinds, NULL, EVENTS,
                                    &moved, &error));
    EXPECT(RECGRELA_STATUS_LOG,
           recgrela_session_migrate(plain, snapshot, size, items, NULL, NULL, EVENTS - 1, &moved,
                                    &error));
    TRUE(moved.id == 0);
    EXPECT(RECGRELA_STATUS_SNAPSHOT,
           recgrela_session_migrate(plain, snapshot, size - 1, items, NULL, NULL, EVENTS, &moved,
                                    &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_migrate(plain, NULL, size, items, NULL, NULL, EVENTS, &moved, &error));
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    recgrela_model model, plain;
    for (int i = 0; i < EVENTS; i++) {
        items[i] = (uint32_t)(i * 7 % 10);
        kinds[i] = (uint8_t)(i % 3);
    }
    OK(recgrela_model_open(argv[1], &model, &error));
    OK(recgrela_model_open(argv[2], &plain, &error));
    const recgrela_session with_kinds = started(model, kinds), without = started(plain, NULL);
    reads_the_log(with_kinds, without);
    prints_reasons(with_kinds);
    refuses_reasons(plain);
    migrates(plain, with_kinds);
    OK(recgrela_session_free(with_kinds, &error));
    OK(recgrela_session_free(without, &error));
    OK(recgrela_model_free(model, &error));
    OK(recgrela_model_free(plain, &error));
    return 0;
}
