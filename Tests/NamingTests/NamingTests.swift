import Testing
@testable import Naming
