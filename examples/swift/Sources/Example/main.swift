// Recommends on the device, with a model file from `recgrela-train export`.
import Foundation
import Recgrela

let path = CommandLine.arguments[1]
let stored = URL(fileURLWithPath: path + ".session")
let model = try Model.open(path: path)
try model.verify()
let session = model.newSession()
if let snapshot = try? Data(contentsOf: stored) {
    try session.restore(snapshot: snapshot)
}
try session.append(item: 50)
try session.extend(items: [172, 181])
for best in try session.topK(k: 5) {
    print(best.item, best.score)
}
do {
    try session.append(item: -1)
} catch RecgrelaError.UnknownItem(let message) {
    print(message)
}
try session.snapshot().write(to: stored, options: [.atomic, .completeFileProtection])
