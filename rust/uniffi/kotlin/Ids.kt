// Plain Long and String where the generated sources take an ItemId.
@file:JvmName("Ids")

package recgrela

/** The id of an item whose ids are numbers. */
fun id(number: Long): ItemId = ItemId.Number(number)

/** The id of an item whose ids are texts. */
fun id(text: String): ItemId = ItemId.Text(text)

/** The ids of items whose ids are numbers. */
@JvmName("ofNumbers")
fun Iterable<Long>.toIds(): List<ItemId> = map(::id)

/** The ids of items whose ids are texts. */
@JvmName("ofTexts")
fun Iterable<String>.toIds(): List<ItemId> = map(::id)

/** The id as it was in the data: a [Long] or a [String]. */
val ItemId.raw: Any
    get() = when (this) {
        is ItemId.Number -> value
        is ItemId.Text -> value
    }

/** Whether the model knows an item: `50L in model`. */
operator fun Model.contains(item: Long): Boolean = contains(id(item))

/** Whether the model knows an item: `"movie-50" in model`. */
operator fun Model.contains(item: String): Boolean = contains(id(item))

/** Takes in an event. */
@Throws(RecgrelaException::class)
fun Session.append(item: Long) = append(id(item))

/** Takes in an event. */
@Throws(RecgrelaException::class)
fun Session.append(item: String) = append(id(item))

/** Takes in events, the oldest first; all of them or, where there is an error, none. */
@JvmName("extendNumbers")
@Throws(RecgrelaException::class)
fun Session.extend(items: Iterable<Long>) = extend(items.toIds())

/** Takes in events, the oldest first; all of them or, where there is an error, none. */
@JvmName("extendTexts")
@Throws(RecgrelaException::class)
fun Session.extend(items: Iterable<String>) = extend(items.toIds())

/** The scores of some items, in the order given. */
@JvmName("scoreNumbers")
@Throws(RecgrelaException::class)
fun Session.score(items: Iterable<Long>): List<Float> = score(items.toIds())

/** The scores of some items, in the order given. */
@JvmName("scoreTexts")
@Throws(RecgrelaException::class)
fun Session.score(items: Iterable<String>): List<Float> = score(items.toIds())

/** Forgets items, exactly: the session becomes one that never saw them. */
@JvmName("forgetNumbers")
@Throws(RecgrelaException::class)
fun Session.forget(items: Iterable<Long>) = forget(items.toIds())

/** Forgets items, exactly: the session becomes one that never saw them. */
@JvmName("forgetTexts")
@Throws(RecgrelaException::class)
fun Session.forget(items: Iterable<String>) = forget(items.toIds())
