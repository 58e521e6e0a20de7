// Ctrl-C and SIGTERM as a wish that a loop can look at.
#pragma once

namespace tidemark::cli {

/// From here on the first SIGINT or SIGTERM only sets stop_requested(); a second one ends the process.
void catch_interrupts();
bool stop_requested();

}  // namespace tidemark::cli
