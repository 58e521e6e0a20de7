#include "gui/models/buffer_table.h"

#include <algorithm>

#include "base/units.h"

namespace tidemark::gui {
namespace {

QVariant number_or_text(const TraceBuffer& b, int column) {
  switch (column) {
    case BufferTable::kName: return QString::fromStdString(b.name);
    case BufferTable::kCategory: return QString::fromStdString(std::string(name_of(b.category)));
    case BufferTable::kBytes: return static_cast<qlonglong>(b.bytes);
    case BufferTable::kOp: return QString::fromStdString(b.op);
    case BufferTable::kModule: return QString::fromStdString(b.module);
    case BufferTable::kFirstStep: return b.first_step;
    case BufferTable::kLastStep: return b.last_step;
    default: return {};
  }
}

QVariant shown(const TraceBuffer& b, int column) {
  if (column == BufferTable::kBytes) return QString::fromStdString(format_bytes(b.bytes));
  if (column == BufferTable::kOp && b.persistent) return QStringLiteral("–");
  return number_or_text(b, column);
}

QVariant tip(const TraceBuffer& b, int column) {
  if (column == BufferTable::kBytes) return QString::fromStdString(format_count(b.bytes) + " bytes");
  return shown(b, column);
}

bool is_number(int column) {
  return column == BufferTable::kBytes || column == BufferTable::kFirstStep ||
         column == BufferTable::kLastStep;
}

}  // namespace

void BufferTable::show(std::shared_ptr<const Program> program, int32_t step) {
  beginResetModel();
  program_ = std::move(program);
  rows_ = program_ ? live_buffers(*program_, step) : std::vector<int32_t>();
  endResetModel();
}

const TraceBuffer& BufferTable::buffer(int row) const {
  return program_->buffers[static_cast<size_t>(rows_[static_cast<size_t>(row)])];
}

int BufferTable::row_of(int32_t buffer) const {
  const auto found = std::ranges::find(rows_, buffer);
  return found == rows_.end() ? -1 : static_cast<int>(found - rows_.begin());
}

int BufferTable::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int BufferTable::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : kColumns;
}

QVariant BufferTable::data(const QModelIndex& index, int role) const {
  const TraceBuffer& b = buffer(index.row());
  switch (role) {
    case Qt::DisplayRole: return shown(b, index.column());
    case Qt::ToolTipRole: return tip(b, index.column());
    case Qt::TextAlignmentRole:
      return QVariant(Qt::AlignVCenter | (is_number(index.column()) ? Qt::AlignRight : Qt::AlignLeft));
    case kSortRole: return number_or_text(b, index.column());
    case kBufferRole: return rows_[static_cast<size_t>(index.row())];
    default: return {};
  }
}

QVariant BufferTable::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal || section >= kColumns) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant(Qt::AlignVCenter | (is_number(section) ? Qt::AlignRight : Qt::AlignLeft));
  if (role != Qt::DisplayRole) return {};
  static const char* const kTitles[kColumns] = {"Name",   "Category",   "Bytes",    "Made by",
                                                "Module", "First step", "Last step"};
  return QString::fromLatin1(kTitles[section]);
}

}  // namespace tidemark::gui
