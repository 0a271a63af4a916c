import java.io.File
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import recgrela.Model

/** Loading and freeing leaves nothing behind. The heap of Java is of fixed size here (pom.xml). */
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
    fun `a thousand loads and frees leave the memory flat`() {
        assumeTrue(status.exists(), "needs Linux to tell the memory")
        loadAndFree(1000)
        val before = residentBytes()
        loadAndFree(1000)
        val grown = residentBytes() - before
        println("memory: $grown bytes more after 1,000 loads and frees, $before before")
        // A thousand models and undo rings are 200 MB.
        assertTrue(grown < 8_000_000, "$grown bytes more")
    }
}
