#include "gui/models/buffer_filter.h"

#include <algorithm>

namespace tidemark::gui {

BufferFilter::BufferFilter(BufferTable* table, QObject* parent)
    : QSortFilterProxyModel(parent), table_(table) {
  visible_.set();
  setSortRole(BufferTable::kSortRole);
  setSourceModel(table);
}

void BufferFilter::set_words(const QString& text) {
  words_ = text.split(QLatin1Char(' '), Qt::SkipEmptyParts);
  invalidateFilter();
}

void BufferFilter::set_visible(CategorySet visible) {
  visible_ = visible;
  invalidateFilter();
}

int64_t BufferFilter::bytes() const {
  int64_t sum = 0;
  for (int row = 0; row < rowCount(); ++row) sum += table_->buffer(mapToSource(index(row, 0)).row()).bytes;
  return sum;
}

bool BufferFilter::filterAcceptsRow(int row, const QModelIndex&) const {
  const TraceBuffer& b = table_->buffer(row);
  if (!visible_[static_cast<size_t>(b.category)]) return false;
  const auto occurs = [&](const QString& word) {
    for (const std::string& text :
         {b.name.str(), b.op.str(), b.module.str(), std::string(name_of(b.category))})
      if (QString::fromStdString(text).contains(word, Qt::CaseInsensitive)) return true;
    return false;
  };
  return std::ranges::all_of(words_, occurs);
}

}  // namespace tidemark::gui
