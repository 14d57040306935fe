import Storage

/// Images by day and modality, as stacked columns. The five modalities with most images have a
/// colour and a pattern each, the others share the last.
struct IntakeChart {
    private struct Column {
        var date: String
        /// By number of the modality in ``names``.
        var images: [Int64]
        var total: Int64 { images.reduce(0, +) }
    }

    private static let others = "others"
    private let days: Int
    private let width: Int
    private var names: [String] = []
    private var columns: [Column] = []

    /// - Parameters:
    ///   - days: What was archived; days without images are missing.
    ///   - time: Of the last column.
    ///   - count: How many columns there are.
    ///   - width: Of the drawing; its height is 190.
    init(
        _ days: [ArchiveStatus.Intake.Day], until time: Timestamp, columns count: Int, width: Int
    ) {
        (self.days, self.width) = (count, width)
        let totals = days.reduce(into: [:]) { $0[$1.modality, default: 0] += $1.images }
        let sorted = totals.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
        let own = sorted.count > 6 ? Array(sorted.prefix(5)) : sorted
        names = own + (sorted.count > own.count ? [Self.others] : [])
        let byDate = Dictionary(grouping: days, by: \.date)
        let day: Int64 = 86_400_000_000_000
        columns = (0..<count).reversed().map { back in
            let date = Timestamp(nanoseconds: time.nanoseconds - Int64(back) * day).date
            var images = [Int64](repeating: 0, count: names.count)
            for entry in byDate[date] ?? [] {
                images[own.firstIndex(of: entry.modality) ?? names.count - 1] += entry.images
            }
            return Column(date: date, images: images)
        }
    }

    // The size of the drawing, in units of its own. A column has a step of its width and a gap.
    private static let (height, left, bottom, top) = (190, 44, 24, 8)
    private var step: Double { Double(width - Self.left) / Double(days) }
    private static var plot: Int { height - bottom - top }

    var html: HTML {
        let most = Self.ceiling(columns.map(\.total).max() ?? 0)
        return """
            <div class="days\(days)">
            <svg class="chart" viewBox="0 0 \(width) \(Self.height)" role="img"
            aria-label="Images archived on each of the last \(days) days, by modality">
            <defs>
            \(names.indices.map(pattern))
            </defs>
            \(grid(most))
            \(columns.indices.map { column($0, most) })
            </svg>
            <ul class="legend">
            \(names.indices.map(legend))
            </ul>
            </div>
            """
    }

    /// A round number that is not less, and whose half is round too.
    private static func ceiling(_ count: Int64) -> Int64 {
        let count = max(count, 4)
        var unit: Int64 = 1
        while unit * 10 < count { unit *= 10 }
        let step = unit == 1 ? 2 : count < unit * 2 ? unit / 5 * 2 : unit
        return (count + step - 1) / step * step
    }

    private static func y(_ value: Int64, _ most: Int64) -> Double {
        Double(top) + Double(plot) * (1 - Double(value) / Double(most))
    }

    /// With one decimal.
    private static func number(_ value: Double) -> String {
        String(((value * 10).rounded()) / 10)
    }

    private func grid(_ most: Int64) -> [HTML] {
        [0, most / 2, most].map { value in
            let y = Self.number(Self.y(value, most))
            return """
                <line class="grid-line" x1="\(Self.left)" x2="\(width)" y1="\(y)" y2="\(y)"/>
                <text class="tick" x="\(Self.left - 6)" y="\(y)" dy="0.35em" \
                text-anchor="end">\(Figures.grouped(value))</text>
                """
        }
    }

    private func column(_ index: Int, _ most: Int64) -> HTML {
        let column = columns[index]
        let x = Double(Self.left) + Double(index) * step + step * 0.14
        var below: Int64 = 0
        var pieces: [HTML] = []
        for (number, count) in column.images.enumerated() where count > 0 {
            let (low, high) = (Self.y(below, most), Self.y(below + count, most))
            pieces.append(
                """
                <rect x="\(Self.number(x))" y="\(Self.number(high))" \
                width="\(Self.number(step * 0.72))" \
                height="\(Self.number(max(0.8, low - high)))" fill="url(#d\(days)m\(number))"/>
                """)
            below += count
        }
        let parts: [String] = zip(names, column.images).filter { $0.1 > 0 }.map { name, count in
            Self.shown(name) + " " + Figures.grouped(count)
        }
        let hint = parts.isEmpty ? "none" : parts.joined(separator: ", ")
        let label: HTML? =
            (days - 1 - index) % 7 == 0
            ? """
            <text class="tick" x="\(Self.number(x + step * 0.36))" y="\(Self.height - 6)" \
            text-anchor="\(index == days - 1 ? "end" : "middle")">\(column.date.suffix(5))</text>
            """ : nil
        return """
            <g><title>\(column.date): \(hint)</title>
            <rect class="hover" x="\(Self.number(x))" y="\(Self.top)" \
            width="\(Self.number(step * 0.72))" height="\(Self.plot)"/>\(pieces)\(label)</g>
            """
    }

    private func legend(_ number: Int) -> HTML {
        let count = columns.map { $0.images[number] }.reduce(0, +)
        return """
            <li><svg viewBox="0 0 16 16" aria-hidden="true"><rect width="16" height="16" rx="3" \
            fill="url(#d\(days)m\(number))"/></svg>\(Self.shown(names[number])) \
            <b>\(Figures.grouped(count))</b></li>
            """
    }

    private static func shown(_ modality: String) -> String {
        modality.isEmpty ? "without modality" : modality
    }

    /// Colours that the colour-blind tell apart (Okabe and Ito), with lines for those who see or
    /// print none.
    private func pattern(_ number: Int) -> HTML {
        let lines: HTML =
            switch number {
            case 1: "<path d=\"M0 6 6 0M-1 1 1-1M5 7 7 5\"/>"
            case 2: "<path d=\"M0 3H6\"/>"
            case 3: "<path d=\"M0 0 6 6M-1 5 1 7M5-1 7 1\"/>"
            case 4: "<path d=\"M3 0V6\"/>"
            case 5: "<path d=\"M0 3H6M3 0V6\"/>"
            default: ""
            }
        return """
            <pattern id="d\(days)m\(number)" width="6" height="6" patternUnits="userSpaceOnUse">\
            <rect class="c\(number)" width="6" height="6"/>\(lines)</pattern>
            """
    }
}
