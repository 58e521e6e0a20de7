// The rows of a BufferTable that the user asks for.
#pragma once

#include <QSortFilterProxyModel>
#include <QStringList>

#include "gui/models/buffer_table.h"
#include "gui/models/stack.h"

namespace tidemark::gui {

class BufferFilter : public QSortFilterProxyModel {
  Q_OBJECT

 public:
  explicit BufferFilter(BufferTable* table, QObject* parent = nullptr);

  /// Words that must all occur in a row's name, op, module or category, in any case of letters.
  void set_words(const QString& text);
  void set_visible(CategorySet visible);
  /// Of the rows that pass.
  int64_t bytes() const;

 protected:
  bool filterAcceptsRow(int row, const QModelIndex& parent) const override;

 private:
  BufferTable* table_;
  QStringList words_;
  CategorySet visible_;
};

}  // namespace tidemark::gui
