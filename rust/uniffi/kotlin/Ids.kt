// Overloads with Long and String, where the generated sources take an ItemId.
@file:JvmName("Ids")

package recgrela

/** The id of an item in a model with integer ids. */
fun id(number: Long): ItemId = ItemId.Number(number)

/** The id of an item in a model with string ids. */
fun id(text: String): ItemId = ItemId.Text(text)

/** The ids of items in a model with integer ids. */
@JvmName("ofNumbers")
fun Iterable<Long>.toIds(): List<ItemId> = map(::id)

/** The ids of items in a model with string ids. */
@JvmName("ofTexts")
fun Iterable<String>.toIds(): List<ItemId> = map(::id)

/** The id of the training data: a [Long] or a [String]. */
val ItemId.raw: Any
    get() = when (this) {
        is ItemId.Number -> value
        is ItemId.Text -> value
    }

/** Whether the model knows an item: `50L in model`. */
operator fun Model.contains(item: Long): Boolean = contains(id(item))

/** Whether the model knows an item: `"movie-50" in model`. */
operator fun Model.contains(item: String): Boolean = contains(id(item))

/** Appends one event, with its kind and its time in seconds if the model needs them. */
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.append(item: Long, kind: String? = null, time: Long? = null) = append(id(item), kind, time)

/** Appends one event, with its kind and its time in seconds if the model needs them. */
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.append(item: String, kind: String? = null, time: Long? = null) = append(id(item), kind, time)

/** Appends an event, then returns the [k] best items, in one call. */
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.step(item: Long, k: Int = 10, filter: Filter = Filter(), kind: String? = null, time: Long? = null) =
    step(id(item), k, filter, kind, time)

/** Appends an event, then returns the [k] best items, in one call. */
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.step(item: String, k: Int = 10, filter: Filter = Filter(), kind: String? = null, time: Long? = null) =
    step(id(item), k, filter, kind, time)

/** Appends events, oldest first, with their kinds and times if the model needs them. On an error, none is appended. */
@JvmName("extendNumbers")
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.extend(items: Iterable<Long>, kinds: List<String>? = null, times: List<Long>? = null) =
    extend(items.toIds(), kinds, times)

/** Appends events, oldest first, with their kinds and times if the model needs them. On an error, none is appended. */
@JvmName("extendTexts")
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.extend(items: Iterable<String>, kinds: List<String>? = null, times: List<Long>? = null) =
    extend(items.toIds(), kinds, times)

/** The scores of the given items, in their order. */
@JvmName("scoreNumbers")
@Throws(RecgrelaException::class)
fun Session.score(items: Iterable<Long>): List<Float> = score(items.toIds())

/** The scores of the given items, in their order. */
@JvmName("scoreTexts")
@Throws(RecgrelaException::class)
fun Session.score(items: Iterable<String>): List<Float> = score(items.toIds())

/** Forgets items exactly, as if the session had never seen them. */
@JvmName("forgetNumbers")
@Throws(RecgrelaException::class)
fun Session.forget(items: Iterable<Long>) = forget(items.toIds())

/** Forgets items exactly, as if the session had never seen them. */
@JvmName("forgetTexts")
@Throws(RecgrelaException::class)
fun Session.forget(items: Iterable<String>) = forget(items.toIds())

/** The [n] events without which an item's score falls most; see the method with an [ItemId]. */
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.why(item: Long, n: Int = 3): List<Reason> = why(id(item), n)

/** The [n] events without which an item's score falls most; see the method with an [ItemId]. */
@JvmOverloads
@Throws(RecgrelaException::class)
fun Session.why(item: String, n: Int = 3): List<Reason> = why(id(item), n)
