#include "cli/data_options.h"

namespace tidemark::cli {

CLI::Option* add_data_options(CLI::App& command, DataOptions& o) {
  auto* data =
      command.add_option("--data", o.path, "UTF-8 text, one token per byte, or ids in a .bin or .npy file");
  command.add_option("--split", o.split, "What a document of text is: paragraph or line")
      ->check(CLI::IsMember({"paragraph", "line"}))
      ->capture_default_str();
  command.add_option("--separator", o.separator, "The id that ends a document of ids");
  command.add_option("--seed", o.seed, "Of first weights, order of the data, dropout")->capture_default_str();
  return data;
}

std::shared_ptr<const TokenSource> open_data(const DataOptions& o, const BuiltModel& built) {
  const int64_t vocabulary = built.model->vocabulary();
  if (o.path.empty()) return std::make_shared<TokenSource>(TokenSource::synthetic(vocabulary));
  return std::make_shared<TokenSource>(o.path, vocabulary);
}

BatchMaker make_batches(std::shared_ptr<const TokenSource> source, const DataOptions& o,
                        const BuiltModel& built, int micro_batches) {
  BatchOptions options;
  options.packing = built.documents ? Packing::documents : Packing::windows;
  options.unit = !source->is_text()  ? DocumentUnit::separator
                 : o.split == "line" ? DocumentUnit::line
                                     : DocumentUnit::paragraph;
  options.separator = o.path.empty() ? 0 : o.separator;
  options.seed = o.seed;
  options.micro_batches = micro_batches;
  return BatchMaker(std::move(source), built.batch, options);
}

}  // namespace tidemark::cli
