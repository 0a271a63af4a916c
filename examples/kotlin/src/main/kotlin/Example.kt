// Recommendations on the device, with a model file from `recgrela-train export`.
import java.io.File
import recgrela.Model
import recgrela.append
import recgrela.raw

fun main(arguments: Array<String>) {
    val stored = File(arguments[0] + ".session")
    Model.open(arguments[0]).use { model ->
        model.verify()
        model.newSession().use { session ->
            if (stored.exists()) session.restore(stored.readBytes())
            session.append(50)
            session.append(172)
            for ((item, score) in session.topK(5)) println("${item.raw} $score")
            stored.writeBytes(session.snapshot())
        }
    }
}
