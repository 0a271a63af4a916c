import java.io.File
import recgrela.ItemId
import recgrela.Model

/** The folder of tests/golden, with five small models. */
val GOLDEN = File(System.getProperty("recgrela.tests"), "golden")

/** The bytes of a model file; its ids are -30000, -22081, ... or, in text-ids, é-30000, é-22081, ... */
fun bytesOf(name: String): ByteArray = File(GOLDEN, "$name.safetensors").readBytes()

/** Opens a golden model; the default has 100 integer ids. */
fun open(name: String = "f32"): Model = Model.open(File(GOLDEN, "$name.safetensors").path)

/** The id of an item by its index. */
fun Model.at(vararg indices: Int): List<ItemId> = itemIds().let { ids -> indices.map(ids::get) }
