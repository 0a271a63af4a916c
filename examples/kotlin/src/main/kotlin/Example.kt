// Recommends on the device. Arguments: a model file from `recgrela-train export`, then ids of events.
import java.io.File
import recgrela.Model
import recgrela.RecgrelaException
import recgrela.extend
import recgrela.raw

fun main(arguments: Array<String>) {
    val path = arguments[0]
    val stored = File("$path.session")
    Model.open(path).use { model ->
        model.verify()
        model.newSession().use { session ->
            if (stored.exists()) session.restore(stored.readBytes())
            try {
                session.extend(arguments.drop(1).map(String::toLong))
            } catch (unknown: RecgrelaException.UnknownItem) {
                println(unknown.message)
            }
            for ((item, score) in session.topK(5)) println("${item.raw} $score")
            stored.writeBytes(session.snapshot())
        }
    }
}
