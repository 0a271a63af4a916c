import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import recgrela.RecgrelaException
import recgrela.append
import recgrela.extend
import recgrela.raw
import recgrela.step

/** Times of events. */
class TimesTest {
    @Test
    fun `an event has a time`() {
        open("gaps").use { model ->
            assertTrue(model.usesTimes())
            val (view, cart) = model.kinds()
            val kinds = listOf(view, cart)
            val items = model.itemIds().take(2)
            val (first, second) = items.map { it.raw as Long }
            model.newSession().use { session ->
                session.keepLog(10)
                val peeked = session.peek(items, 5, kinds = kinds, times = listOf(100, 3700))
                session.append(first, view, 100)
                session.append(second, cart, time = 3700)
                assertEquals(peeked, session.topK(5))
                assertEquals(listOf(100L, 3700L), session.logTimes())
                model.migrate(session.snapshot(), session.log(), kinds, session.logTimes()).use { moved ->
                    assertTrue(session.snapshot().contentEquals(moved.snapshot()))
                }

                session.reset()
                session.step(first, kind = view, time = 100)
                assertEquals(peeked, session.step(second, 5, kind = cart, time = 3700))

                session.reset()
                session.extend(listOf(first, second), kinds, listOf(100, 110))
                assertNotEquals(peeked, session.topK(5))
            }
        }
    }

    @Test
    fun `a missing time or one too many changes nothing`() {
        open("gaps").use { model ->
            model.newSession().use { session ->
                val (item) = model.itemIds()
                val (kind) = model.kinds()
                val error = assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    session.append(item, kind)
                }
                assertTrue("pass the time of each event" in error.message!!, error.message)
                assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    session.extend(listOf(item, item), listOf(kind, kind), listOf(1))
                }
                assertEquals(0, session.events())
            }
        }
        open().use { model ->
            assertFalse(model.usesTimes())
            model.newSession().use { session ->
                assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    session.append(-30000, time = 1)
                }
            }
        }
    }
}
