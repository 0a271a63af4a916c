import java.io.File
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import recgrela.Model

/** Loading and freeing does not leak. Java's heap has a fixed size here (pom.xml). */
class MemoryTest {
    private val status = File("/proc/self/status")

    private fun residentBytes(): Long =
        status.readLines().first { it.startsWith("VmRSS:") }.filter(Char::isDigit).toLong() * 1024

    private fun loadAndFree(times: Int) {
        val bytes = bytesOf("f16")
        repeat(times) { time ->
            val model = if (time % 2 == 0) Model.fromBytes(bytes) else open("f16")
            model.use {
                model.newSession().use { session ->
                    session.keepUndo(20)
                    session.extend(model.at(1, 2, 3))
                    check(session.topK().size == 10)
                    val snapshot = session.snapshot()
                    check(runCatching { session.restore(snapshot.copyOf(9)) }.isFailure)
                }
            }
        }
    }

    @Test
    fun `memory stays constant over 1,000 loads and frees`() {
        assumeTrue(status.exists(), "needs /proc of Linux to measure memory")
        loadAndFree(1000)
        val before = residentBytes()
        loadAndFree(1000)
        val grown = residentBytes() - before
        println("memory: grew by $grown bytes in 1,000 loads and frees, from $before")
        // 1,000 models with undo rings take 200 MB.
        assertTrue(grown < 8_000_000, "memory grew by $grown bytes")
    }
}
