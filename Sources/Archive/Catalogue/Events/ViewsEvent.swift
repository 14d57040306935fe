import JSON
import Naming

/// The views that are shown from here on, in this order.
///
/// ```
/// views   views {name: template}
/// ```
struct ViewsEvent: RecordBody, Equatable {
    var views: [View]

    static let kind = "views"

    init(_ views: [View]) { self.views = views }

    var fields: JSONObject {
        [
            "views": .object(
                JSONObject(views.map { .init($0.name, .string($0.template.description)) }))
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        let members = try fields.required("views", \.object).members
        views = []
        for member in members {
            guard let text = member.value.string, let template = try? Template(text) else {
                throw .field("views")
            }
            views.append(View(name: member.key, template: template))
        }
    }
}
