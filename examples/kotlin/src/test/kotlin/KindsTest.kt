import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import recgrela.Filter
import recgrela.RecgrelaException
import recgrela.append
import recgrela.extend
import recgrela.raw
import recgrela.step

/** Kinds of events, and the first screen of a model with a start vector. */
class KindsTest {
    @Test
    fun `an event has a kind`() {
        open("both").use { model ->
            val (view, cart) = model.kinds()
            val (first, second) = model.itemIds().map { it.raw as String }
            model.newSession().use { session ->
                session.keepLog(10)
                val peeked = session.peek(model.at(0, 1), 5, kinds = listOf(cart, view))
                session.append(first, cart)
                session.append(second, kind = view)
                assertEquals(listOf(cart, view), session.logKinds())
                assertEquals(peeked, session.topK(5))

                session.reset()
                session.step(first, kind = cart)
                assertEquals(peeked, session.step(second, 5, kind = view))

                session.reset()
                session.extend(listOf(first, second), listOf(cart, view))
                assertEquals(peeked, session.topK(5))
                session.reset()
                session.extend(listOf(first, second), listOf(view, view))
                assertNotEquals(peeked, session.topK(5))
            }
        }
    }

    @Test
    fun `an event without its kind changes nothing, and the error lists the kinds`() {
        open("both").use { model ->
            model.newSession().use { session ->
                val (item) = model.itemIds()
                val refused = listOf(
                    { session.append(item) },
                    { session.append(item, "no such") },
                    { session.extend(listOf(item, item), listOf(model.kinds()[0], "no such")) },
                )
                for (call in refused) {
                    val error = assertThrows(RecgrelaException.InvalidArgument::class.java) { call() }
                    for (kind in model.kinds()) assertTrue("`$kind`" in error.message!!, error.message)
                }
                assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    session.extend(listOf(item, item), model.kinds().take(1))
                }
                assertEquals(0, session.events())
            }
        }
        open().use { model ->
            assertEquals(emptyList<String>(), model.kinds())
            model.newSession().use { session ->
                assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    session.append(-30000, "view")
                }
            }
        }
    }

    @Test
    fun `a history with kinds migrates`() {
        open("both").use { model ->
            val kinds = model.kinds().take(2)
            model.newSession().use { session ->
                session.keepLog(10)
                session.extend(model.at(1, 2), kinds)
                model.migrate(session.snapshot(), session.log(), session.logKinds()).use { moved ->
                    assertTrue(session.snapshot().contentEquals(moved.snapshot()))
                }
                assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    model.migrate(session.snapshot(), session.log())
                }
            }
        }
    }

    @Test
    fun `a model with a start vector recommends before the first event`() {
        open("start").use { model ->
            assertTrue(model.hasStart())
            model.newSession().use { session ->
                val (first, second) = session.topK(2)
                assertEquals(listOf(first.score), session.score(listOf(first.item)))
                assertEquals(second, session.topK(1, Filter(deny = listOf(first.item))).single())
            }
        }
        open().use { model ->
            assertFalse(model.hasStart())
            model.newSession().use { session ->
                assertThrows(RecgrelaException.NoEvents::class.java) { session.topK() }
            }
        }
    }
}
