// swift-tools-version:5.9
// The Swift binding as a package. `examples/swift/build` copies this file beside the sources.
import PackageDescription

let package = Package(
    name: "Recgrela",
    platforms: [.iOS(.v13), .macOS(.v11)],
    products: [.library(name: "Recgrela", targets: ["Recgrela"])],
    targets: [
        .binaryTarget(name: "RecgrelaFFI", path: "RecgrelaFFI.xcframework"),
        .target(name: "Recgrela", dependencies: ["RecgrelaFFI"]),
        .executableTarget(name: "Example", dependencies: ["Recgrela"]),
    ]
)
