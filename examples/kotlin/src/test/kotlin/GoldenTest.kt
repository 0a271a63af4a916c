import com.google.gson.Gson
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import recgrela.Filter
import recgrela.ItemId
import recgrela.Model
import recgrela.Recommendation

/** The hash of all scores and lists of tests/golden, as its README defines it. */
class GoldenTest {
    private class Golden(val models: Map<String, GoldenModel>, val sha256: String)

    private class GoldenModel(val sequences: List<List<Int>>, val sha256: String)

    @Test
    fun `the golden hash matches`() {
        val golden = Gson().fromJson(File(GOLDEN, "golden.json").readText(), Golden::class.java)
        val digests = golden.models.toSortedMap().mapValues { (name, model) ->
            digestOf(name, model.sequences)
        }
        val all = sha256()
        digests.values.forEach(all::update)
        val hash = hex(all.digest())
        println("kotlin-jvm $hash")
        for ((name, digest) in digests) {
            assertEquals(golden.models.getValue(name).sha256, hex(digest), name)
        }
        assertEquals(golden.sha256, hash)
    }

    private fun digestOf(name: String, sequences: List<List<Int>>): ByteArray {
        val hash = sha256()
        Model.open(File(GOLDEN, name).path).use { model ->
            val ids = model.itemIds()
            val indices = ids.withIndex().associate { (index, id) -> id to index }
            for (events in sequences) {
                model.newSession().use { session ->
                    for (event in events) {
                        session.append(ids[event])
                        session.score(ids).forEach { hash.update(it.toBits()) }
                        hash.update(session.topK(10), indices)
                        hash.update(session.topK(ids.size, Filter(excludeSeen = false)), indices)
                    }
                }
            }
        }
        return hash.digest()
    }

    private fun MessageDigest.update(list: List<Recommendation>, indices: Map<ItemId, Int>) {
        update(list.size)
        for ((item, score) in list) {
            update(indices.getValue(item))
            update(score.toBits())
        }
    }

    private fun MessageDigest.update(number: Int) =
        update(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(number).array())

    private fun sha256() = MessageDigest.getInstance("SHA-256")

    private fun hex(digest: ByteArray) = digest.joinToString("") { "%02x".format(it) }
}
