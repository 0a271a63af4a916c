import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import recgrela.ItemId
import recgrela.Recommendation
import recgrela.Session

/** Threads share models and take turns on a session. */
@Timeout(60)
class ThreadsTest {
    private val threads = 8

    private fun <T> inThreads(work: (Int) -> T): List<T> {
        val pool = Executors.newFixedThreadPool(threads)
        try {
            return pool.invokeAll(List(threads) { Callable { work(it) } }).map { it.get() }
        } finally {
            pool.shutdownNow()
            pool.awaitTermination(10, TimeUnit.SECONDS)
        }
    }

    private fun play(session: Session, ids: List<ItemId>, start: Int): List<Recommendation> {
        repeat(200) { session.append(ids[(start + it) % ids.size]) }
        return session.topK(20)
    }

    @Test
    fun `many threads give the answers of one`() {
        open("int8").use { model ->
            val ids = model.itemIds()
            val expected = List(threads) { start -> model.newSession().use { play(it, ids, start) } }
            val found = inThreads { start -> model.newSession().use { play(it, ids, start) } }
            assertEquals(expected, found)
        }
    }

    @Test
    fun `calls on one session take turns`() {
        open("int8").use { model ->
            val ids = model.itemIds()
            model.newSession().use { session ->
                session.append(ids[7])
                inThreads { thread ->
                    repeat(100) {
                        session.append(ids[7])
                        if (thread % 2 == 0) session.topK(5) else session.peek(ids.take(3), 5)
                    }
                }
                val alone = model.newSession().use { other ->
                    other.extend(List(1 + 100 * threads) { ids[7] })
                    other.topK(20)
                }
                assertEquals(alone, session.topK(20))
            }
        }
    }

    @Test
    fun `a call during close returns or throws`() {
        open("int8").use { model ->
            val ids = model.itemIds()
            repeat(50) {
                val session = model.newSession()
                session.append(ids[0])
                inThreads { thread ->
                    if (thread == 0) {
                        session.close()
                    } else {
                        try {
                            repeat(20) { assertEquals(5, session.topK(5).size) }
                        } catch (closed: IllegalStateException) {
                            assertEquals("Session object has already been destroyed", closed.message)
                        }
                    }
                }
            }
        }
    }
}
