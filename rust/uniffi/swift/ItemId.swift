// Plain numbers and texts where the generated sources take an ItemId.

extension ItemId: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, CustomStringConvertible {
    public init(integerLiteral value: Int64) {
        self = .number(value: value)
    }

    public init(stringLiteral value: String) {
        self = .text(value: value)
    }

    /// The id of a model whose ids are numbers.
    public init(_ number: Int64) {
        self = .number(value: number)
    }

    /// The id of a model whose ids are texts.
    public init(_ text: String) {
        self = .text(value: text)
    }

    /// The id as it was in the data.
    public var description: String {
        switch self {
        case .number(let value): return String(value)
        case .text(let value): return value
        }
    }
}
