/// A grey picture in which shapes are drawn. Both coordinates run from -1 to 1, x to the right
/// and y downwards; no function of the C library is used, so that every machine draws the same.
struct Canvas {
    let rows: Int
    let columns: Int
    private(set) var samples: [Float]

    init(rows: Int, columns: Int, background: Float) {
        self.rows = rows
        self.columns = columns
        samples = Array(repeating: background, count: rows * columns)
    }

    /// Replaces the inside of an ellipse, with a soft edge of about one pixel.
    mutating func ellipse(_ x: Float, _ y: Float, _ width: Float, _ height: Float, _ value: Float) {
        guard width > 0, height > 0 else { return }
        let softness = Float(min(rows, columns)) * 0.5 * min(width, height)
        draw(x - width, x + width, y - height, y + height, value) { px, py in
            let dx = (px - x) / width
            let dy = (py - y) / height
            return (1 - (dx * dx + dy * dy).squareRoot()) * softness
        }
    }

    /// Replaces the surroundings of a line: a bone's shaft, a rib, a needle.
    mutating func capsule(
        _ x0: Float, _ y0: Float, _ x1: Float, _ y1: Float, radius: Float, _ value: Float
    ) {
        let dx = x1 - x0
        let dy = y1 - y0
        let square = max(dx * dx + dy * dy, 1e-6)
        let softness = Float(min(rows, columns)) * 0.5
        draw(
            min(x0, x1) - radius, max(x0, x1) + radius, min(y0, y1) - radius, max(y0, y1) + radius,
            value
        ) { px, py in
            let along = max(0, min(1, ((px - x0) * dx + (py - y0) * dy) / square))
            let ox = px - x0 - along * dx
            let oy = py - y0 - along * dy
            return (radius - (ox * ox + oy * oy).squareRoot()) * softness
        }
    }

    /// A long bone: a shaft with a marrow cavity and two knobs at each end.
    mutating func bone(
        _ x0: Float, _ y0: Float, _ x1: Float, _ y1: Float, radius: Float, cortex: Float,
        marrow: Float
    ) {
        let length = max(((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)).squareRoot(), 1e-6)
        let nx = -(y1 - y0) / length * radius
        let ny = (x1 - x0) / length * radius
        for (x, y) in [
            (x0 + nx, y0 + ny), (x0 - nx, y0 - ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny),
        ] {
            ellipse(x, y, radius * 1.1, radius * 1.1, cortex)
        }
        capsule(x0, y0, x1, y1, radius: radius, cortex)
        capsule(x0, y0, x1, y1, radius: radius * 0.5, marrow)
    }

    /// Adds noise to every sample: evenly spread between plus and minus the amplitude.
    mutating func addNoise(_ amplitude: Float, random: inout SeededRandom) {
        for index in samples.indices { samples[index] += amplitude * Self.unit(&random) }
    }

    /// Multiplies every sample with noise, as the speckle of ultrasound does.
    mutating func speckle(_ amplitude: Float, random: inout SeededRandom) {
        for index in samples.indices { samples[index] *= 1 + amplitude * Self.unit(&random) }
    }

    /// Replaces every sample for which the condition does not hold.
    mutating func mask(_ value: Float, unless condition: (_ x: Float, _ y: Float) -> Bool) {
        for row in 0..<rows {
            for column in 0..<columns where !condition(x(column), y(row)) {
                samples[row * columns + column] = value
            }
        }
    }

    private static func unit(_ random: inout SeededRandom) -> Float {
        Float(Int32(truncatingIfNeeded: random.next())) / Float(Int32.max)
    }

    private func x(_ column: Int) -> Float { (Float(column) + 0.5) * 2 / Float(columns) - 1 }
    private func y(_ row: Int) -> Float { (Float(row) + 0.5) * 2 / Float(rows) - 1 }

    /// Blends the value in where the coverage, 0 to 1, is positive.
    private mutating func draw(
        _ left: Float, _ right: Float, _ top: Float, _ bottom: Float, _ value: Float,
        _ coverage: (Float, Float) -> Float
    ) {
        let columnRange = Self.range(left, right, columns)
        for row in Self.range(top, bottom, rows) {
            for column in columnRange {
                let amount = min(1, coverage(x(column), y(row)))
                if amount > 0 {
                    let index = row * columns + column
                    samples[index] += (value - samples[index]) * amount
                }
            }
        }
    }

    private static func range(_ low: Float, _ high: Float, _ count: Int) -> Range<Int> {
        let first = max(0, min(count, Int((low + 1) / 2 * Float(count))))
        return first..<max(first, min(count, Int((high + 1) / 2 * Float(count)) + 1))
    }
}
