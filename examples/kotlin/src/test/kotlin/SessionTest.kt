import kotlin.math.abs
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import recgrela.Filter
import recgrela.ItemId
import recgrela.Model
import recgrela.RecgrelaException
import recgrela.append
import recgrela.contains
import recgrela.extend
import recgrela.forget
import recgrela.raw
import recgrela.score
import recgrela.toIds

/** The session API as an app uses it. */
class SessionTest {
    @Test
    fun `ids are those of the data`() {
        open().use { model ->
            assertEquals(100, model.itemCount())
            assertEquals(-30000L, model.itemIds().first().raw)
            assertTrue(-30000L in model)
            assertFalse(5L in model)
            assertFalse("-30000" in model)
        }
        open("text-ids").use { model ->
            assertTrue("é-30000" in model)
            assertFalse(-30000L in model)
            model.newSession().use { session ->
                session.append("é-30000")
                session.extend(listOf("é-22081", "é-14162"))
                assertEquals(listOf("é-30000", "é-22081", "é-14162").toIds(), session.seen())
                assertEquals(1, session.score(listOf("é1676")).size)
            }
        }
    }

    @Test
    fun `recommendations are the unseen items with the best scores`() {
        open().use { model ->
            model.newSession().use { session ->
                val ids = model.itemIds()
                session.extend(listOf(-30000L, -22081L))
                val best = ids.zip(session.score(ids)).drop(2).sortedByDescending { it.second }
                val top = session.topK(5)
                assertEquals(best.take(5), top.map { it.item to it.score })
                assertEquals(10, session.topK().size)
                assertEquals(98, session.topK(Int.MAX_VALUE).size)
                assertEquals(100, session.topK(100, Filter(excludeSeen = false)).size)
                assertTrue(session.topK(0).isEmpty())

                val (first, second) = top.map { it.item }
                assertEquals(second, session.topK(1, Filter(deny = listOf(first))).single().item)
                val only = session.topK(9, Filter(allow = listOf(second, ids[0])))
                assertEquals(listOf(second), only.map { it.item })
            }
        }
    }

    @Test
    fun `a model tells its architecture`() {
        open("gaps").use { model ->
            val config = model.config()
            val sizes = config.run { listOf(hiddenSize, numHeads, numLayers, innerSize, numItems) }
            assertEquals(listOf(24, 3, 1, 48, 50), sizes)
            assertEquals("rotary", config.positions)
            assertTrue(config.run { gate && localConv && finalNorm && start && gaps })
            assertEquals(model.kinds(), config.kinds)
            assertEquals("int8", model.tableDtype())
            val isas = model.compareIsas()
            assertEquals("scalar", isas.last())
            assertTrue(model.isa() in isas)
        }
        open("text-ids").use { assertEquals("learned", it.config().positions) }
    }

    @Test
    fun `a score is the product of the user's vector and the item's`() {
        open().use { model ->
            model.newSession().use { session ->
                assertThrows(RecgrelaException.NoEvents::class.java) { session.userVector() }
                session.extend(model.at(1, 2))
                val user = session.userVector()
                val items = model.itemIds()
                for ((score, vector) in session.score(items).zip(model.itemVectors(items))) {
                    val product = user.zip(vector).map { (one, other) -> one * other }.sum()
                    assertEquals(score, product, 1e-4f)
                }
                val unknown = listOf(5L).toIds()
                assertThrows(RecgrelaException.UnknownItem::class.java) { model.itemVectors(unknown) }
            }
        }
    }

    @Test
    fun `peek returns what topK would and changes nothing`() {
        open().use { model ->
            model.newSession().use { session ->
                session.append(model.at(3).single())
                val before = session.snapshot()
                val peeked = session.peek(model.at(8, 9), 7)
                assertTrue(before.contentEquals(session.snapshot()))
                session.extend(model.at(8, 9))
                assertEquals(peeked, session.topK(7))
            }
        }
    }

    @Test
    fun `undo restores exactly`() {
        open().use { model ->
            model.newSession().use { session ->
                session.extend(model.at(1, 2))
                session.keepUndo(2)
                val before = session.snapshot()
                session.extend(model.at(3, 4))
                assertEquals(2, session.undoable())
                session.undo()
                session.undo(1)
                assertTrue(before.contentEquals(session.snapshot()))
                val taken = session.undoBytes()
                assertTrue(taken > 2 * session.stateBytes())
                session.keepUndo(4)
                assertEquals(2 * taken, session.undoBytes())
            }
        }
    }

    @Test
    fun `forgetting restores the state without the item`() {
        open().use { model ->
            model.newSession().use { session ->
                session.keepLog(100)
                session.extend(listOf(-30000L, -22081L, -30000L, -14162L))
                session.forget(listOf(-30000L))
                assertEquals(listOf(-22081L, -14162L).toIds(), session.log())
                model.newSession().use { other ->
                    other.extend(listOf(-22081L, -14162L))
                    assertEquals(other.topK(100), session.topK(100))
                }
            }
        }
    }

    @Test
    fun `a snapshot continues exactly, also when the model came from bytes`() {
        open().use { model ->
            model.newSession().use { session ->
                session.extend(model.at(1, 2, 3))
                Model.fromBytes(bytesOf("f32")).use { again ->
                    assertEquals(model.fingerprint(), again.fingerprint())
                    again.newSession().use { later ->
                        later.restore(session.snapshot())
                        assertEquals(3, later.events())
                        assertEquals(session.stateBytes(), later.stateBytes())
                        assertEquals(session.topK(100), later.topK(100))
                        later.reset()
                        assertEquals(0, later.events())
                    }
                }
            }
        }
    }

    @Test
    fun `a snapshot in half precision is smaller, and drifts from the next event on`() {
        open().use { model ->
            val (session, other) = model.newSession() to model.newSession()
            session.extend(model.at(*IntArray(20) { it }))
            val half = session.snapshotF16()
            assertTrue(half.size < 0.6 * session.snapshot().size)
            other.restore(half)
            val ids = model.itemIds()
            assertEquals(session.score(ids), other.score(ids))
            session.extend(model.at(30))
            other.extend(model.at(30))
            val scores = session.score(ids)
            val drift = scores.zip(other.score(ids)).maxOf { (one, other) -> abs(one - other) }
            assertTrue(drift > 0 && drift < 1e-3 * scores.maxOf { abs(it) })
            session.close()
            other.close()
        }
    }

    @Test
    fun `a clone goes its own way`() {
        open().use { model ->
            model.newSession().use { session ->
                session.keepUndo(1)
                session.extend(model.at(1, 2))
                val before = session.topK()
                session.clone().use { clone ->
                    assertEquals(before, clone.topK())
                    clone.extend(model.at(3))
                    assertEquals(before, session.topK())
                    clone.undo()
                    assertEquals(before, clone.topK())
                }
                assertEquals(before, session.topK())
            }
        }
    }

    @Test
    fun `a history migrates to a retrained model`() {
        open("f16").use { old ->
            old.newSession().use { session ->
                session.keepLog(10)
                session.extend(old.at(1, 2, 3))
                open("int8").use { model ->
                    assertNotEquals(old.fingerprint(), model.fingerprint())
                    model.migrate(session.snapshot(), session.log()).use { moved ->
                        assertEquals(session.log(), moved.log())
                        assertEquals(10, moved.topK().size)
                    }
                    val log = listOf(session.log()[0], ItemId.Number(5), session.log()[2])
                    model.migrate(session.snapshot(), log).use { moved ->
                        assertEquals(2, moved.events())
                    }
                }
            }
        }
    }
}
