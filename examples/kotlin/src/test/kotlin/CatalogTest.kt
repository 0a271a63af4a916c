import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import recgrela.Filter
import recgrela.ItemId
import recgrela.RecgrelaException
import recgrela.Session
import recgrela.append
import recgrela.contains
import recgrela.id
import recgrela.toIds

/** Changes of the catalogue, and quotas. */
class CatalogTest {
    /** D of the golden model f32. */
    private val size = 32

    private fun vector(number: Float) = List(size) { number }

    private fun Session.best(filter: Filter = Filter()): List<ItemId> = topK(200, filter).map { it.item }

    @Test
    fun `added items are recommended and appended`() {
        open().use { model ->
            model.newSession().use { session ->
                session.append(-30000)
                model.addItems(listOf(7L, 8L).toIds(), listOf(vector(0.5f), vector(0.5f)))
                assertEquals(102, model.itemCount())
                assertEquals(listOf(7L, 8L).toIds(), model.itemIds().takeLast(2))
                assertTrue(7L in model)
                assertTrue(id(8) in session.best())
                val (one, other) = session.score(listOf(7L, 8L).toIds())
                assertEquals(one, other)
                session.append(7)
                assertEquals(listOf(-30000L, 7L).toIds(), session.seen())
                model.addItems(listOf(id(8)), listOf(vector(0f)))
                assertEquals(listOf(0f), session.score(listOf(id(8))))
                assertEquals(listOf(vector(0f), vector(0.5f)), model.itemVectors(listOf(8L, 7L).toIds()))
            }
        }
    }

    @Test
    fun `a model tells what was added and replaced`() {
        open().use { model ->
            assertEquals(emptyList<ItemId>(), model.added() + model.replaced())
            model.addItems(model.at(3) + id(7), listOf(vector(1f), vector(0.5f)))
            assertEquals(listOf(id(7)), model.added())
            assertEquals(model.at(3), model.replaced())
            assertEquals(listOf(vector(1f)), model.itemVectors(model.replaced()))
            assertEquals(100, model.config().numItems)
        }
    }

    @Test
    fun `retired items are not recommended until reinstated`() {
        open().use { model ->
            model.newSession().use { session ->
                session.append(-30000)
                val before = session.best()
                val sold = model.at(1, 2)
                model.retire(sold)
                assertEquals(sold, model.retired())
                assertEquals(before - sold, session.best())
                model.reinstate(sold)
                assertEquals(emptyList<ItemId>(), model.retired())
                assertEquals(before, session.best())
            }
        }
    }

    @Test
    fun `an overlay moves to another load of the model`() {
        open().use { from ->
            from.addItems(listOf(id(7)), listOf(vector(0.5f)))
            from.retire(from.at(3))
            open().use { to ->
                to.setOverlay(from.overlay())
                assertArrayEquals(from.overlay(), to.overlay())
                from.newSession().use { session ->
                    session.append(7)
                    to.newSession().use { same ->
                        same.restore(session.snapshot())
                        assertEquals(session.topK(200), same.topK(200))
                    }
                    open().use { without ->
                        without.newSession().use {
                            assertThrows(RecgrelaException.InvalidSnapshot::class.java) {
                                it.restore(session.snapshot())
                            }
                        }
                    }
                }
            }
        }
    }

    @Test
    fun `invalid changes are refused and change nothing`() {
        open().use { model ->
            val before = model.overlay()
            val seven = listOf(id(7))
            val refused = listOf(
                { model.addItems(seven, listOf(vector(0f).drop(1))) },
                { model.addItems(seven, emptyList()) },
                { model.addItems(listOf(id(7), id(7)), listOf(vector(0f), vector(0f))) },
                { model.addItems(listOf(id("a text")), listOf(vector(0f))) },
                { model.addItems(seven, listOf(vector(Float.NaN))) },
                { model.setOverlay(before.drop(1).toByteArray()) },
                { open("f16").use { other -> model.setOverlay(other.overlay()) } },
            )
            for (call in refused) {
                assertThrows(RecgrelaException.InvalidOverlay::class.java) { call() }
            }
            assertThrows(RecgrelaException.UnknownItem::class.java) { model.retire(seven) }
            assertThrows(RecgrelaException.UnknownItem::class.java) { model.reinstate(seven) }
            assertArrayEquals(before, model.overlay())
            model.addItems(seven, listOf(vector(0f)))
            assertThrows(RecgrelaException.InvalidOverlay::class.java) { model.setOverlay(before) }
            assertTrue(7L in model)
        }
    }

    @Test
    fun `a quota limits the items of a group`() {
        open().use { model ->
            model.newSession().use { session ->
                session.append(-30000)
                val one = Filter(maxPerGroup = 1)
                assertThrows(RecgrelaException.InvalidArgument::class.java) { session.topK(5, one) }
                assertThrows(RecgrelaException.InvalidArgument::class.java) { model.setGroups(listOf(1, 2)) }
                val ids = model.itemIds()
                model.setGroups(ids.indices.map { it % 3L })
                val taken = IntArray(3)
                val expected = session.best().filter { taken[ids.indexOf(it) % 3]++ < 2 }
                assertEquals(expected, session.best(Filter(maxPerGroup = 2)))
                assertEquals(6, expected.size)
                assertEquals(3, session.peek(model.at(1), 100, one).size)
                assertThrows(RecgrelaException.InvalidArgument::class.java) {
                    session.topK(5, Filter(maxPerGroup = -1))
                }
                assertFalse(session.best(one) == session.best())
            }
        }
    }
}
