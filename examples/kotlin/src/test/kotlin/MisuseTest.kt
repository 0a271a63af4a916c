import java.io.File
import java.nio.charset.CharacterCodingException
import kotlin.random.Random
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import recgrela.Filter
import recgrela.InternalException
import recgrela.Model
import recgrela.NoHandle
import recgrela.RecgrelaException
import recgrela.append
import recgrela.extend
import recgrela.score

/** Misuse throws a descriptive exception and leaves the session unchanged. */
class MisuseTest {
    private inline fun <reified E : Exception> assertRefused(part: String, noinline call: () -> Any) {
        val message = assertThrows(E::class.java) { call() }.message
        assertTrue(message!!.contains(part), message)
    }

    @Test
    fun `files that cannot be read`() {
        assertRefused<RecgrelaException.Io>("missing.safetensors") { Model.open("missing.safetensors") }
        assertRefused<RecgrelaException.Io>("golden") { Model.open(GOLDEN.path) }
        assertRefused<RecgrelaException.Io>("cannot read") { Model.open("a\u0000b") }
    }

    @Test
    fun `a truncated or damaged model is refused`() {
        val whole = bytesOf("bare")
        for (length in whole.indices step 61) {
            assertThrows(RecgrelaException.InvalidModel::class.java) {
                Model.fromBytes(whole.copyOf(length))
            }
        }
        val random = Random(1)
        repeat(3000) {
            val damaged = whole.copyOf()
            // The header and the bytes after it, where sizes and ids are.
            val at = random.nextInt(4096)
            damaged[at] = (damaged[at].toInt() xor (1 shl random.nextInt(8))).toByte()
            assertThrows(RecgrelaException.InvalidModel::class.java) {
                Model.fromBytes(damaged).use { it.verify() }
            }
        }
    }

    @Test
    fun `errors for unknown ids name the kind of ids`() {
        open().use { model ->
            model.newSession().use { session ->
                session.append(-30000)
                val before = session.snapshot()
                assertRefused<RecgrelaException.UnknownItem>("item 5 is not among the model's 100 items") {
                    session.append(5)
                }
                assertRefused<RecgrelaException.UnknownItem>("its ids are numbers") {
                    session.extend(listOf("-30000"))
                }
                assertThrows(RecgrelaException.UnknownItem::class.java) {
                    session.extend(listOf(-30000L, 5L))
                }
                assertThrows(RecgrelaException.UnknownItem::class.java) { session.score(listOf(5L)) }
                assertThrows(RecgrelaException.UnknownItem::class.java) {
                    session.topK(1, Filter(deny = listOf(recgrela.id(5))))
                }
                assertTrue(before.contentEquals(session.snapshot()))
            }
        }
        open("text-ids").use { model ->
            model.newSession().use { session ->
                assertRefused<RecgrelaException.UnknownItem>("its ids are texts") { session.append(7) }
                assertThrows(CharacterCodingException::class.java) { session.append("\uD800") }
            }
        }
    }

    @Test
    fun `a damaged or foreign snapshot changes nothing`() {
        open().use { model ->
            model.newSession().use { session ->
                session.extend(model.at(1, 2, 3))
                val snapshot = session.snapshot()
                for (at in snapshot.indices) {
                    val damaged = snapshot.copyOf()
                    damaged[at] = (damaged[at] + 1).toByte()
                    assertThrows(RecgrelaException.InvalidSnapshot::class.java) {
                        session.restore(damaged)
                    }
                    assertThrows(RecgrelaException.InvalidSnapshot::class.java) {
                        session.restore(snapshot.copyOf(at))
                    }
                }
                assertTrue(snapshot.contentEquals(session.snapshot()))
                open("int8").use { other ->
                    assertRefused<RecgrelaException.InvalidSnapshot>(model.fingerprint()) {
                        other.newSession().use { it.restore(snapshot) }
                    }
                    assertThrows(RecgrelaException.IncompleteLog::class.java) {
                        other.migrate(snapshot, emptyList())
                    }
                }
            }
        }
    }

    @Test
    fun `invalid calls are refused`() {
        open().use { model ->
            model.newSession().use { session ->
                assertThrows(RecgrelaException.NoEvents::class.java) { session.topK() }
                session.append(-30000)
                assertRefused<RecgrelaException.InvalidArgument>("k: found -1") { session.topK(-1) }
                assertThrows(RecgrelaException.InvalidArgument::class.java) { session.keepLog(-1) }
                assertThrows(RecgrelaException.NotUndoable::class.java) { session.undo() }
                assertThrows(RecgrelaException.NotUndoable::class.java) {
                    session.keepUndo(Int.MAX_VALUE)
                }
                assertThrows(RecgrelaException.IncompleteLog::class.java) {
                    session.forget(model.at(1))
                }
                assertEquals(1, session.events())
            }
        }
    }

    @Test
    fun `a closed object is refused, and may be closed twice`() {
        val model = open()
        val session = model.newSession()
        model.close()
        model.close()
        session.append(-30000)
        assertEquals(10, session.topK().size, "a session keeps its model alive")
        assertRefused<IllegalStateException>("destroyed") { model.itemCount() }
        assertRefused<IllegalStateException>("destroyed") { model.newSession() }
        session.close()
        assertRefused<IllegalStateException>("destroyed") { session.topK() }
        assertThrows(InternalException::class.java) { Model(NoHandle).itemCount() }
    }

    @Test
    fun `a file may be replaced by renaming while its model is in use`() {
        val file = File.createTempFile("recgrela", ".safetensors")
        file.writeBytes(bytesOf("f32"))
        Model.open(file.path).use { model ->
            val next = File(file.path + ".next")
            next.writeBytes(bytesOf("int8"))
            assertTrue(next.renameTo(file))
            model.verify()
            Model.open(file.path).use { assertEquals(300, it.itemCount()) }
        }
        file.delete()
    }
}
