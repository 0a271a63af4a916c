import com.google.gson.Gson
import com.google.gson.annotations.SerializedName
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
    private class Golden(
        val models: Map<String, GoldenModel>,
        val sha256: String,
        @SerializedName("format_2") val format2: Golden?,
    )

    private class GoldenModel(
        val sequences: List<List<Int>>,
        val kinds: List<List<Int>>?,
        val times: List<List<Long>>?,
        val sha256: String,
    )

    private val golden = Gson().fromJson(File(GOLDEN, "golden.json").readText(), Golden::class.java)

    @Test
    fun `the golden hash matches`() = println("kotlin-jvm ${checked(golden)}")

    @Test
    fun `the golden hash of format 2 matches`() =
        println("kotlin-jvm-format-2 ${checked(golden.format2!!)}")

    private fun checked(golden: Golden): String {
        val digests = golden.models.toSortedMap().mapValues { (name, model) -> digestOf(name, model) }
        val all = sha256()
        digests.values.forEach(all::update)
        val hash = hex(all.digest())
        for ((name, digest) in digests) {
            assertEquals(golden.models.getValue(name).sha256, hex(digest), name)
        }
        assertEquals(golden.sha256, hash)
        return hash
    }

    private fun digestOf(name: String, golden: GoldenModel): ByteArray {
        val hash = sha256()
        Model.open(File(GOLDEN, name).path).use { model ->
            val ids = model.itemIds()
            val indices = ids.withIndex().associate { (index, id) -> id to index }
            val names = model.kinds()
            for ((i, items) in golden.sequences.withIndex()) {
                model.newSession().use { session ->
                    fun answers() {
                        session.score(ids).forEach { hash.update(it.toBits()) }
                        hash.update(session.topK(10), indices)
                        hash.update(session.topK(ids.size, Filter(excludeSeen = false)), indices)
                    }
                    if (model.hasStart()) answers()
                    for ((j, item) in items.withIndex()) {
                        val kind = golden.kinds?.let { names[it[i][j]] }
                        session.append(ids[item], kind, golden.times?.get(i)?.get(j))
                        answers()
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
