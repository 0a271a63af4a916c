import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import recgrela.Reason
import recgrela.RecgrelaException
import recgrela.append
import recgrela.extend
import recgrela.why

/** The events that explain an item's score. */
class WhyTest {
    @Test
    fun `drops are those of sessions without the event`() {
        open("both").use { model ->
            val names = model.kinds()
            val history = model.at(*IntArray(12) { it * 7 % 10 })
            val kinds = history.indices.map { names[it % 3] }
            val (item) = model.at(30)
            fun score(kept: (Int) -> Boolean): Float = model.newSession().use { session ->
                fun <T> List<T>.chosen() = filterIndexed { index, _ -> kept(index) }
                session.extend(history.chosen(), kinds.chosen())
                session.score(listOf(item)).single()
            }
            val expected = history.indices
                .map { Reason(it.toLong(), history[it], kinds[it], score { true } - score { kept -> kept != it }) }
                .filter { it.drop > 0 }
                .sortedByDescending { it.drop }
            assertTrue(expected.size > 3)
            model.newSession().use { session ->
                session.keepLog(100)
                session.extend(history, kinds)
                assertEquals(expected, session.why(item, 12))
                assertEquals(expected.take(3), session.why(item))
            }
        }
    }

    @Test
    fun `the log has to hold every event`() {
        open().use { model ->
            model.newSession().use { session ->
                session.append(-30000)
                assertThrows(RecgrelaException.IncompleteLog::class.java) { session.why(-22081) }
                assertThrows(RecgrelaException.UnknownItem::class.java) { session.why(5) }
                assertThrows(RecgrelaException.UnknownItem::class.java) { session.why("a text") }
                assertThrows(RecgrelaException.InvalidArgument::class.java) { session.why(-22081, -1) }
                session.reset()
                session.keepLog(10)
                session.extend(listOf(-30000L, -22081L, -14162L))
                val reasons = session.why(-30000, 10)
                assertEquals(listOf(null, null, null), reasons.map { it.kind })
            }
        }
    }
}
