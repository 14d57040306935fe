import JSON
import Naming
import TagIndex

// Where series that came before are shown in a view that was added later.
//
//   paths   view, template, through, paths [[series, level/level/…], …]
//
// `through` is the last series that was looked at: one without a path is left out by the view.
extension PathsRecord: RecordBody {
    static let kind = "paths"

    var fields: JSONObject {
        [
            "view": .string(view.name), "template": .string(view.template.description),
            "through": .int(through),
            "paths": .array(paths.map { .array([.int($0.series), JSONValue(path: $0.path)]) }),
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        let name = try fields.required("view", \.string)
        let template = try fields.required("template") { $0.string.flatMap { try? Template($0) } }
        let paths = try fields.required("paths") {
            $0.array?.all { pair -> (series: Int64, path: [String])? in
                guard let pair = pair.array, pair.count == 2, let series = pair[0].int,
                    let path = pair[1].path
                else { return nil }
                return (series, path)
            }
        }
        self.init(
            view: View(name: name, template: template),
            through: try fields.required("through", \.count), time: fields.time.nanoseconds,
            paths: paths)
    }
}
