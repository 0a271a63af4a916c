// Literals of integers and strings where the generated sources take an ItemId.

extension ItemId: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, CustomStringConvertible {
    public init(integerLiteral value: Int64) {
        self = .number(value: value)
    }

    public init(stringLiteral value: String) {
        self = .text(value: value)
    }

    /// The id in a model with integer ids.
    public init(_ number: Int64) {
        self = .number(value: number)
    }

    /// The id in a model with string ids.
    public init(_ text: String) {
        self = .text(value: text)
    }

    /// The id of the training data.
    public var description: String {
        switch self {
        case .number(let value): return String(value)
        case .text(let value): return value
        }
    }
}
