#include "executor/io/reference_batch.h"

#include <algorithm>

#include "base/error.h"
#include "graph/ignored_label.h"

namespace tidemark {
namespace {

struct Reader {
  const TensorReader& reference;
  int64_t rows = 0, columns = 0;

  Error error(const std::string& name, const std::string& why) const {
    return Error("cannot read reference inputs", reference.path() + ", tensor '" + name + "'", why,
                 "use a reference file made for this kind of model");
  }
  void shape_from(const std::string& name) {
    const auto& shape = reference.require(name).shape;
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) throw error(name, "not a matrix [batch, length]");
    rows = shape[0];
    columns = shape[1];
  }
  std::vector<int32_t> matrix(const std::string& name) const {
    if (reference.require(name).shape != std::vector<int64_t>{rows, columns})
      throw error(name, "not of the shape of the ids");
    return reference.read_integers(name);
  }
};

/// How many steps of each row there are.
std::vector<int32_t> lengths_of(const Reader& reader) {
  auto lengths = reader.reference.read_integers("input/lengths");
  const bool fit =
      static_cast<int64_t>(lengths.size()) == reader.rows &&
      std::all_of(lengths.begin(), lengths.end(), [&](int32_t n) { return n >= 1 && n <= reader.columns; });
  if (!fit) throw reader.error("input/lengths", "not one length per row, from 1 to the row's columns");
  return lengths;
}

/// Each row's run of ones.
std::vector<Piece> masked_pieces(const Reader& reader) {
  const auto mask = reader.matrix("input/attention_mask");
  std::vector<Piece> pieces;
  for (int64_t row = 0; row < reader.rows; ++row) {
    const auto begin = mask.begin() + row * reader.columns, end = begin + reader.columns;
    const auto first = std::find(begin, end, 1), last = std::find(first, end, 0);
    if (std::find(last, end, 1) != end)
      throw reader.error("input/attention_mask", "a row has two runs of ones");
    if (first != last) pieces.push_back({first - mask.begin(), last - first, false});
  }
  return pieces;
}

/// A new sequence where a row begins or the position is 0.
std::vector<Piece> restarted_pieces(const Reader& reader) {
  const auto positions = reader.matrix("input/position_ids");
  std::vector<Piece> pieces;
  for (int64_t i = 0; i < reader.rows * reader.columns; ++i) {
    if (i % reader.columns == 0 || positions[static_cast<size_t>(i)] == 0) pieces.push_back({i, 0, false});
    if (positions[static_cast<size_t>(i)] != pieces.back().length++)
      throw reader.error("input/position_ids", "positions do not count up from 0");
  }
  return pieces;
}

std::vector<Piece> row_pieces(const Reader& reader, const std::vector<int32_t>& lengths) {
  std::vector<Piece> pieces;
  for (int64_t row = 0; row < reader.rows; ++row)
    pieces.push_back({row * reader.columns, lengths[static_cast<size_t>(row)], false});
  return pieces;
}

/// Each row up to its padding: a run of zeros in `mask`, then ones.
std::vector<Piece> unpadded_pieces(const Reader& reader, const std::string& mask) {
  const auto padding = reader.matrix(mask);
  std::vector<Piece> pieces;
  for (int64_t row = 0; row < reader.rows; ++row) {
    const auto begin = padding.begin() + row * reader.columns, end = begin + reader.columns;
    const auto padded = std::find(begin, end, 1);
    if (padded == begin) throw reader.error(mask, "a row is all padding");
    if (std::any_of(padded, end, [](int32_t pad) { return pad != 1; }))
      throw reader.error(mask, "a row goes on after its padding");
    pieces.push_back({begin - padding.begin(), padded - begin, false});
  }
  return pieces;
}

int64_t tokens_of(const std::vector<Piece>& pieces) {
  int64_t tokens = 0;
  for (const Piece& piece : pieces) tokens += piece.length;
  return tokens;
}

int64_t longest_of(const std::vector<Piece>& pieces) {
  int64_t longest = 0;
  for (const Piece& piece : pieces) longest = std::max(longest, piece.length);
  return longest;
}

/// src [B,S] and its mask, tgt_in and tgt_out [B,T] and theirs.
ReferenceBatch pair_batch(Reader& reader) {
  reader.shape_from("input/src");
  const auto source = reader.matrix("input/src");
  auto source_pieces = unpadded_pieces(reader, "input/src_pad");
  reader.shape_from("input/tgt_in");
  const auto target = reader.matrix("input/tgt_in"), labels = reader.matrix("input/tgt_out");
  auto target_pieces = unpadded_pieces(reader, "input/tgt_pad");
  if (source_pieces.size() != target_pieces.size())
    throw reader.error("input/tgt_in", "not as many targets as sources");

  ReferenceBatch batch;
  batch.spec = {.tokens = tokens_of(source_pieces),
                .sequences = reader.rows,
                .max_length = std::max(longest_of(source_pieces), longest_of(target_pieces)),
                .target_tokens = tokens_of(target_pieces)};
  BatchView view;
  const auto input = [&](const std::string& name, int64_t size) {
    auto& values = batch.inputs[name];
    values.resize(static_cast<size_t>(size));
    view[name] = values;
  };
  const auto side = [&](const std::string& prefix, int64_t tokens) {
    input(prefix + "input_ids", tokens);
    input(prefix + "position_ids", tokens);
    input(prefix + "cu_seqlens", batch.spec.sequences + 1);
  };
  side("", batch.spec.tokens);
  side("decoder_", batch.spec.target_tokens);
  input("labels", batch.spec.target_tokens);
  const PairViews views = pair_views(view);
  const auto in = [](const std::vector<int32_t>& ids) {
    return [&ids](int64_t i) { return ids[static_cast<size_t>(i)]; };
  };
  pack(source_pieces, views.source, in(source), {});
  pack(target_pieces, views.target, in(target), in(labels));
  return batch;
}

ReferenceBatch image_batch(Reader& reader) {
  reader.shape_from("input/x");
  ReferenceBatch batch;
  batch.spec = {
      .tokens = reader.rows * reader.columns, .sequences = reader.rows, .max_length = reader.columns};
  batch.x.resize(static_cast<size_t>(batch.spec.tokens));
  reader.reference.read("input/x", {DType::f32, {reader.rows, reader.columns}}, batch.x.data());
  return batch;
}

std::vector<int32_t> whole_rows(const Reader& reader) {
  return std::vector<int32_t>(static_cast<size_t>(reader.rows), static_cast<int32_t>(reader.columns));
}

/// x [B,L,D] with a label for each row, or for each step.
ReferenceBatch number_sequences(Reader& reader) {
  const std::vector<int64_t> shape = reader.reference.require("input/x").shape;
  if (std::any_of(shape.begin(), shape.end(), [](int64_t n) { return n < 1; }))
    throw reader.error("input/x", "a dimension of it is empty");
  reader.rows = shape[0];
  reader.columns = shape[1];
  const int64_t width = shape[2];
  std::vector<float> x(static_cast<size_t>(reader.rows * reader.columns * width));
  reader.reference.read("input/x", {DType::f32, {reader.rows, reader.columns, width}}, x.data());
  const std::vector<int32_t> labels = reader.reference.read_integers("input/labels");
  const bool pooled = static_cast<int64_t>(labels.size()) == reader.rows;
  if (!pooled && static_cast<int64_t>(labels.size()) != reader.rows * reader.columns)
    throw reader.error("input/labels", "not a label for each row or for each step");

  ReferenceBatch batch;
  std::vector<int32_t>&own = batch.inputs["labels"], &cu_seqlens = batch.inputs["cu_seqlens"];
  if (pooled) own = labels;
  cu_seqlens = {0};
  for (const Piece& piece :
       row_pieces(reader, reader.reference.has("input/lengths") ? lengths_of(reader) : whole_rows(reader))) {
    const auto copy = [&piece](const auto& from, int64_t columns, auto& to) {
      const auto first = from.begin() + piece.start * columns;
      to.insert(to.end(), first, first + piece.length * columns);
    };
    copy(x, width, batch.x);
    if (!pooled) copy(labels, 1, own);
    batch.spec.tokens += piece.length;
    batch.spec.max_length = std::max(batch.spec.max_length, piece.length);
    cu_seqlens.push_back(static_cast<int32_t>(batch.spec.tokens));
  }
  batch.spec.sequences = reader.rows;
  return batch;
}

}  // namespace

ReferenceBatch reference_batch(const TensorReader& reference, const Model& model) {
  Reader reader{reference};
  if (model.pair_tokens()) return pair_batch(reader);
  if (reference.has("input/x") && !reference.has("input/labels")) return image_batch(reader);
  if (reference.has("input/x") && reference.require("input/x").shape.size() == 3)
    return number_sequences(reader);
  ReferenceBatch batch;
  std::vector<Piece> pieces;
  std::vector<int32_t> ids, labels;
  const bool recurrent = reference.has("input/x");
  if (recurrent) {
    reader.shape_from("input/x");
    ids = reader.matrix("input/x");
    labels = reader.matrix("input/labels");
    pieces = row_pieces(reader, lengths_of(reader));
  } else {
    reader.shape_from("input/input_ids");
    ids = reader.matrix("input/input_ids");
    labels = reader.matrix("input/labels");
    for (size_t i = 0; i < labels.size() && !model.labels_are_shifted(); ++i)
      labels[i] = (i + 1) % static_cast<size_t>(reader.columns) == 0 ? kIgnoredLabel : labels[i + 1];
    if (reference.has("input/attention_mask"))
      pieces = masked_pieces(reader);
    else if (reference.has("input/position_ids"))
      pieces = restarted_pieces(reader);
    else
      pieces = row_pieces(reader, whole_rows(reader));
  }
  if (pieces.empty()) throw reader.error("input/attention_mask", "it masks every token");
  batch.spec.sequences = static_cast<int64_t>(pieces.size());
  batch.spec.tokens = tokens_of(pieces);
  batch.spec.max_length = longest_of(pieces);
  BatchView view;
  const auto input = [&](const char* name, int64_t size) {
    auto& values = batch.inputs[name];
    values.resize(static_cast<size_t>(size));
    view[name] = values;
  };
  input("input_ids", batch.spec.tokens);
  input("labels", batch.spec.tokens);
  if (recurrent) {
    input("batch_sizes", batch.spec.max_length);
  } else {
    input("position_ids", batch.spec.tokens);
    input("cu_seqlens", batch.spec.sequences + 1);
  }
  pack(
      pieces, view, [&](int64_t i) { return ids[static_cast<size_t>(i)]; },
      [&](int64_t i) { return labels[static_cast<size_t>(i)]; });
  return batch;
}

}  // namespace tidemark
