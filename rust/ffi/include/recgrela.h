/* recgrela: sequential recommendations on the device. Written by cbindgen from rust/ffi; do not edit.
 *
 * A model is a file, loaded and checked; a session is one user on it. Every function returns a
 * status: RECGRELA_STATUS_OK, which is 0, or why it failed, which `error` then explains. `error`
 * may be NULL. A call that fails leaves models and sessions as they were.
 *
 * Handles are plain values. One whose bits are all zero, `{0}`, is no model and no session. A handle
 * that was freed is recognised and refused, in any thread, for as long as the process lives.
 *
 * Pointers are valid for as many elements as the count beside them says. NULL is an error, but for
 * `error`, for a filter, and for a list of no elements.
 *
 * Threads: every function may be called from any thread at any time. Calls on one session take
 * turns; calls on different sessions run side by side. A model lives until it and all its sessions
 * are freed.
 *
 * Items are known here by their index, 0 .. num_items - 1. The functions index_of_int and index_of_text
 * find the item of an id, as the training data spelled it; int_id and text_id find the id. */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of a message, the final zero among them.
#define RECGRELA_MESSAGE_SIZE 512

// Bytes of a fingerprint's text, the final zero among them.
#define RECGRELA_FINGERPRINT_SIZE 65

// What became of a call.
typedef enum {
  // It worked.
  RECGRELA_STATUS_OK = 0,
  // An argument: a null pointer, text that is not UTF-8, a size that cannot be.
  RECGRELA_STATUS_INVALID_ARGUMENT = 1,
  // A handle: none, freed, or never handed out.
  RECGRELA_STATUS_INVALID_HANDLE = 2,
  // A buffer is too small. How large it has to be was written to the size; nothing else was.
  RECGRELA_STATUS_BUFFER_TOO_SMALL = 3,
  // A file could not be read.
  RECGRELA_STATUS_IO = 4,
  // The bytes are not a model, or a damaged one.
  RECGRELA_STATUS_MODEL = 5,
  // The bytes are not a snapshot of this model, or a damaged one.
  RECGRELA_STATUS_SNAPSHOT = 6,
  // No item has this id or index.
  RECGRELA_STATUS_UNKNOWN_ITEM = 7,
  // The session has no events yet, so there is nothing to score after.
  RECGRELA_STATUS_NO_EVENTS = 8,
  // More is to be undone than is kept.
  RECGRELA_STATUS_UNDO = 9,
  // The log that forgetting needs was not kept, or not long enough.
  RECGRELA_STATUS_LOG = 10,
  // A fault inside the library. Free the handle; the process is sound.
  RECGRELA_STATUS_INTERNAL = 11,
} recgrela_status;

// A model: weights and catalogue, for any number of sessions.
typedef struct {
  // Not zero for a model.
  uint64_t id;
} recgrela_model;

// Why a call failed. Not touched by a call that worked.
typedef struct {
  // What the call returned.
  recgrela_status status;
  // What was found and what was expected: UTF-8, zero-terminated, cut where it is too long.
  char message[RECGRELA_MESSAGE_SIZE];
} recgrela_error;

// One user's history on a model.
typedef struct {
  // Not zero for a session.
  uint64_t id;
} recgrela_session;

// Which items may be recommended. In place of a filter, NULL is every item not seen.
typedef struct {
  // Leave out the items of the history, unless it is 0.
  uint8_t exclude_seen;
  // Only these; NULL is all items. The lists may be in any order.
  const uint32_t *allow;
  // How many there are.
  size_t allow_count;
  // None of these.
  const uint32_t *deny;
  // How many there are.
  size_t deny_count;
} recgrela_filter;

// A recommendation.
typedef struct {
  // The item.
  uint32_t item;
  // Its score.
  float score;
} recgrela_scored;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of this library, such as "0.1.0". It is not to be freed.
const char *recgrela_version(void);

// Loads a model file (UTF-8 path, zero-terminated) by mapping it. Replace such a file by renaming
// another over it, never by writing into it.
recgrela_status recgrela_model_open(const char *path, recgrela_model *model, recgrela_error *error);

// Loads a model from `size` bytes, such as an asset of an app. They are copied.
recgrela_status recgrela_model_from_bytes(const uint8_t *bytes,
                                          size_t size,
                                          recgrela_model *model,
                                          recgrela_error *error);

// Gives up a model; its memory is returned when the last session on it is freed too. Without
// effect on `{0}`; a handle that was freed before is RECGRELA_STATUS_INVALID_HANDLE.
recgrela_status recgrela_model_free(recgrela_model model, recgrela_error *error);

// Reads the whole file once: the fingerprint is right, and the self-test that came with the model
// gives the scores that it had when it was trained. For a model from elsewhere; it takes a
// millisecond or so a megabyte.
recgrela_status recgrela_model_verify(recgrela_model model, recgrela_error *error);

// The number of items.
recgrela_status recgrela_model_num_items(recgrela_model model,
                                         uint32_t *num_items,
                                         recgrela_error *error);

// Whether the ids of the items are texts; otherwise they are numbers.
recgrela_status recgrela_model_has_text_ids(recgrela_model model,
                                            bool *has_text_ids,
                                            recgrela_error *error);

// The identity of a model's weights and items: 64 hex digits and a zero. A snapshot is of one
// model only.
recgrela_status recgrela_model_fingerprint(recgrela_model model, char *hex, recgrela_error *error);

// The item with an id, in a model whose ids are numbers. RECGRELA_STATUS_UNKNOWN_ITEM if none has it.
recgrela_status recgrela_model_index_of_int(recgrela_model model,
                                            int64_t id,
                                            uint32_t *item,
                                            recgrela_error *error);

// The item with an id (UTF-8, zero-terminated), in a model whose ids are texts.
// RECGRELA_STATUS_UNKNOWN_ITEM if none has it.
recgrela_status recgrela_model_index_of_text(recgrela_model model,
                                             const char *id,
                                             uint32_t *item,
                                             recgrela_error *error);

// The id of an item, in a model whose ids are numbers.
recgrela_status recgrela_model_int_id(recgrela_model model,
                                      uint32_t item,
                                      int64_t *id,
                                      recgrela_error *error);

// The id of an item, in a model whose ids are texts: UTF-8 and a final zero, which `size` counts.
// With a `capacity` that is too small it is RECGRELA_STATUS_BUFFER_TOO_SMALL, and `size` is what it takes.
recgrela_status recgrela_model_text_id(recgrela_model model,
                                       uint32_t item,
                                       char *id,
                                       size_t capacity,
                                       size_t *size,
                                       recgrela_error *error);

// The scores of `count` items, in their order, into as many numbers: the scores that top_k ranks by.
recgrela_status recgrela_session_score(recgrela_session session,
                                       const uint32_t *items,
                                       size_t count,
                                       float *scores,
                                       recgrela_error *error);

// The best items that the filter lets through, the best first: `capacity` of them, or as many as
// there are, which `count` says.
recgrela_status recgrela_session_top_k(recgrela_session session,
                                       const recgrela_filter *filter,
                                       recgrela_scored *best,
                                       size_t capacity,
                                       size_t *count,
                                       recgrela_error *error);

// What top_k would give after `items_count` more events. The session stays as it is.
recgrela_status recgrela_session_peek(recgrela_session session,
                                      const uint32_t *items,
                                      size_t items_count,
                                      const recgrela_filter *filter,
                                      recgrela_scored *best,
                                      size_t capacity,
                                      size_t *count,
                                      recgrela_error *error);

// A session without history.
recgrela_status recgrela_session_new(recgrela_model model,
                                     recgrela_session *session,
                                     recgrela_error *error);

// A session of its own that is where this one is.
recgrela_status recgrela_session_clone(recgrela_session session,
                                       recgrela_session *clone,
                                       recgrela_error *error);

// Gives up a session. Without effect on `{0}`; a handle that was freed before is
// RECGRELA_STATUS_INVALID_HANDLE.
recgrela_status recgrela_session_free(recgrela_session session, recgrela_error *error);

// Appends an event.
recgrela_status recgrela_session_append(recgrela_session session,
                                        uint32_t item,
                                        recgrela_error *error);

// Appends events, the oldest first. On an error none of them is.
recgrela_status recgrela_session_extend(recgrela_session session,
                                        const uint32_t *items,
                                        size_t count,
                                        recgrela_error *error);

// As if nothing had happened: an empty history, with the settings of keep_undo and keep_log.
recgrela_status recgrela_session_reset(recgrela_session session, recgrela_error *error);

// The number of events.
recgrela_status recgrela_session_events(recgrela_session session,
                                        uint64_t *events,
                                        recgrela_error *error);

// The distinct items of the history, ascending, and their number. With a `capacity` that is too
// small it is RECGRELA_STATUS_BUFFER_TOO_SMALL, and `count` is what it takes.
recgrela_status recgrela_session_seen(recgrela_session session,
                                      uint32_t *items,
                                      size_t capacity,
                                      size_t *count,
                                      recgrela_error *error);

// The bytes that a session's history takes: fixed, and 4 for each distinct item.
recgrela_status recgrela_session_state_bytes(recgrela_session session,
                                             size_t *bytes,
                                             recgrela_error *error);

// The session as bytes, for recgrela_session_restore with the same model, and their number. With
// a `capacity` that is too small it is RECGRELA_STATUS_BUFFER_TOO_SMALL, and `size` is what it takes.
recgrela_status recgrela_session_snapshot(recgrela_session session,
                                          uint8_t *bytes,
                                          size_t capacity,
                                          size_t *size,
                                          recgrela_error *error);

// Puts the session where it was when the snapshot was taken, exactly. A damaged one, or one of
// another model, is RECGRELA_STATUS_SNAPSHOT and leaves the session as it is.
recgrela_status recgrela_session_restore(recgrela_session session,
                                         const uint8_t *bytes,
                                         size_t size,
                                         recgrela_error *error);

// From here on, up to `depth` events can be taken back, for the memory of a state each.
recgrela_status recgrela_session_keep_undo(recgrela_session session,
                                           size_t depth,
                                           recgrela_error *error);

// Takes the last `count` events back, exactly. RECGRELA_STATUS_UNDO if so many are not kept.
recgrela_status recgrela_session_undo(recgrela_session session,
                                      size_t count,
                                      recgrela_error *error);

// How many events can be taken back.
recgrela_status recgrela_session_undoable(recgrela_session session,
                                          size_t *count,
                                          recgrela_error *error);

// Keeps the last `capacity` events, 4 bytes each, which forgetting needs. To be called before the
// first event.
recgrela_status recgrela_session_keep_log(recgrela_session session,
                                          size_t capacity,
                                          recgrela_error *error);

// Leaves every event of these items out of the history, as if it had never been. It replays the
// log, so RECGRELA_STATUS_LOG where that does not hold every event.
recgrela_status recgrela_session_forget(recgrela_session session,
                                        const uint32_t *items,
                                        size_t count,
                                        recgrela_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
