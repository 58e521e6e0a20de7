// "What fills my memory?": the answer as text and as JSON.
#pragma once

#include <iosfwd>

#include "profiler/attribution.h"

namespace tidemark {

/// Tables of at most 80 columns.
void print_report(std::ostream& out, const Trace& trace, const Attribution& attribution);

/// Keys as docs/formats.md lists them; bytes are integers, times seconds.
nlohmann::json report_json(const Trace& trace, const Attribution& attribution);

}  // namespace tidemark
