/// The content of an image: grey samples (MONOCHROME2), with a good window for them.
public struct SyntheticPicture: Sendable, Equatable {
    public let rows: Int
    public let columns: Int
    public let frames: Int
    /// 8 or 16.
    public let bitsAllocated: Int
    /// 8, 12 or 16.
    public let bitsStored: Int
    /// The samples, row by row and frame by frame, two bytes little endian each when there are 16.
    public let bytes: [UInt8]
    /// In units of the rescaled samples.
    public let windowCenter: Int
    public let windowWidth: Int
    /// The number to add to a sample: -1024 if the result is in Hounsfield units, otherwise 0.
    public let rescaleIntercept: Int

    /// The pelvis of a dog: ventrodorsal, or from the side.
    public static func hip(rows: Int, columns: Int, isLateral: Bool, seed: UInt64) -> Self {
        var canvas = Canvas(rows: rows, columns: columns, background: 120)
        if isLateral {
            canvas.ellipse(0, 0, 0.95, 0.7, 1_300)
            canvas.capsule(-0.95, -0.35, 0.1, -0.3, radius: 0.1, 2_700)
            canvas.bone(0.0, -0.3, 0.55, 0.1, radius: 0.1, cortex: 3_100, marrow: 2_300)
            canvas.bone(0.3, 0.0, -0.1, 0.75, radius: 0.08, cortex: 3_400, marrow: 2_500)
        } else {
            canvas.ellipse(0, -0.1, 0.8, 0.85, 1_200)
            canvas.ellipse(-0.35, 0.6, 0.3, 0.6, 1_350)
            canvas.ellipse(0.35, 0.6, 0.3, 0.6, 1_350)
            for vertebra in 0..<5 {
                canvas.ellipse(0, -0.92 + Float(vertebra) * 0.15, 0.12, 0.06, 2_800)
            }
            for side: Float in [-1, 1] {
                canvas.bone(
                    side * 0.12, -0.35, side * 0.3, 0.1, radius: 0.07, cortex: 2_900, marrow: 2_200)
                canvas.ellipse(side * 0.22, 0.32, 0.17, 0.2, 2_700)
                canvas.ellipse(side * 0.22, 0.34, 0.1, 0.12, 1_300)
                canvas.bone(
                    side * 0.42, 0.2, side * 0.4, 0.92, radius: 0.07, cortex: 3_400, marrow: 2_500)
                canvas.ellipse(side * 0.33, 0.12, 0.09, 0.09, 3_300)
            }
        }
        return radiograph(canvas, seed: seed)
    }

    /// The chest of a cat from the side, head to the left.
    public static func thorax(rows: Int, columns: Int, seed: UInt64) -> Self {
        var canvas = Canvas(rows: rows, columns: columns, background: 120)
        canvas.ellipse(0, 0, 0.98, 0.75, 1_700)
        canvas.ellipse(-0.05, -0.02, 0.7, 0.52, 800)
        canvas.ellipse(-0.15, 0.2, 0.26, 0.24, 2_000)
        canvas.ellipse(0.75, 0.1, 0.35, 0.5, 2_000)
        for vertebra in 0..<13 {
            canvas.ellipse(-0.9 + Float(vertebra) * 0.15, -0.55, 0.065, 0.06, 3_100)
        }
        for rib in 0..<9 {
            let x = -0.65 + Float(rib) * 0.14
            canvas.capsule(x, -0.5, x + 0.12, 0.45, radius: 0.016, 2_300)
        }
        canvas.capsule(-0.7, 0.58, 0.5, 0.6, radius: 0.03, 2_900)
        canvas.bone(-0.75, 0.1, -0.95, 0.75, radius: 0.05, cortex: 3_200, marrow: 2_400)
        return radiograph(canvas, seed: seed)
    }

    /// A slice through the chest in Hounsfield units; the position runs from 0, at the neck, to 1.
    public static func slice(rows: Int, columns: Int, position: Float, seed: UInt64) -> Self {
        var canvas = Canvas(rows: rows, columns: columns, background: -1_000)
        let size = 0.65 + 0.25 * position
        canvas.capsule(-0.8, 0.93, 0.8, 0.93, radius: 0.03, 200)
        canvas.ellipse(0, 0, size, size * 0.95, -90)
        canvas.ellipse(0, 0, size * 0.93, size * 0.87, 45)
        let lung = 0.8 * (1 - (2 * position - 1) * (2 * position - 1)) * size
        for side: Float in [-1, 1] {
            canvas.ellipse(side * 0.42 * size, -0.05, lung * 0.45, lung * 0.8, -820)
            for rib: Float in [-0.5, -0.1, 0.3] {
                canvas.ellipse(side * size * 0.88, rib, 0.03, 0.07, 600)
            }
        }
        canvas.ellipse(0.05, 0.15, 0.3 * (1 - position) + 0.12, 0.28 * (1 - position) + 0.1, 60)
        canvas.ellipse(0, -0.06, 0.05, 0.05, -950)
        canvas.ellipse(0, -0.6 * size, 0.15, 0.13, 500)
        canvas.ellipse(0, -0.52 * size, 0.05, 0.05, 30)
        var random = SeededRandom(seed: seed, 0x6374)
        canvas.addNoise(15, random: &random)
        return Self(
            frames: [canvas], bits: 16, stored: 16, window: (40, 400), intercept: -1_024)
    }

    /// Frames of a urinary bladder that fills and empties, in the fan of a probe; 8 bits.
    public static func ultrasound(rows: Int, columns: Int, frames: Int, seed: UInt64) -> Self {
        let pictures = (0..<frames).map { frame -> Canvas in
            var canvas = Canvas(rows: rows, columns: columns, background: 95)
            let phase = Float(frame) / Float(max(frames, 1))
            let swell = phase < 0.5 ? phase * 2 : 2 - phase * 2
            canvas.ellipse(-0.45, 0.35, 0.3, 0.35, 125)
            canvas.ellipse(0.1, 0.1, 0.33 + 0.08 * swell, 0.22 + 0.08 * swell, 210)
            canvas.ellipse(0.1, 0.1, 0.3 + 0.08 * swell, 0.19 + 0.08 * swell, 6)
            canvas.capsule(-0.5, 0.75, 0.55, 0.72, radius: 0.03, 235)
            var random = SeededRandom(seed: seed, 0x7573, UInt64(frame))
            canvas.speckle(0.55, random: &random)
            canvas.mask(0) { x, y in
                let depth = y + 1.15
                let square = x * x + depth * depth
                return x < 0.8 * depth && -x < 0.8 * depth && square < 4 && square > 0.06
            }
            return canvas
        }
        return Self(frames: pictures, bits: 8, stored: 8, window: (128, 256), intercept: 0)
    }

    /// A slice through a head, as in magnetic resonance; the position runs from 0 to 1.
    public static func head(rows: Int, columns: Int, position: Float, seed: UInt64) -> Self {
        var canvas = Canvas(rows: rows, columns: columns, background: 15)
        let size = 0.6 + 0.5 * position * (1 - position)
        canvas.ellipse(0, 0, size, size * 0.9, 900)
        canvas.ellipse(0, 0, size * 0.9, size * 0.8, 120)
        canvas.ellipse(0, 0, size * 0.83, size * 0.73, 520)
        for side: Float in [-1, 1] {
            canvas.ellipse(side * 0.13, -0.02, 0.06, 0.2, 1_300)
            canvas.ellipse(side * 0.3, 0.1, 0.16, 0.25, 640)
        }
        canvas.capsule(0, -size * 0.65, 0, size * 0.6, radius: 0.012, 150)
        var random = SeededRandom(seed: seed, 0x6d72)
        canvas.addNoise(25, random: &random)
        return Self(frames: [canvas], bits: 16, stored: 12, window: (600, 1_200), intercept: 0)
    }

    private static func radiograph(_ canvas: Canvas, seed: UInt64) -> Self {
        var canvas = canvas
        var random = SeededRandom(seed: seed, 0x6478)
        canvas.addNoise(40, random: &random)
        return Self(frames: [canvas], bits: 16, stored: 12, window: (1_900, 3_400), intercept: 0)
    }

    private init(
        frames: [Canvas], bits: Int, stored: Int, window: (center: Int, width: Int), intercept: Int
    ) {
        rows = frames.first?.rows ?? 0
        columns = frames.first?.columns ?? 0
        self.frames = frames.count
        bitsAllocated = bits
        bitsStored = stored
        windowCenter = window.center
        windowWidth = window.width
        rescaleIntercept = intercept
        let largest = Float((1 << stored) - 1)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(frames.count * rows * columns * bits / 8)
        for sample in frames.lazy.flatMap(\.samples) {
            let value = UInt16(max(0, min(largest, sample - Float(intercept))))
            bytes.append(UInt8(truncatingIfNeeded: value))
            if bits == 16 { bytes.append(UInt8(value >> 8)) }
        }
        self.bytes = bytes
    }
}
