// The buffers that live at the cursor, as a table.
#pragma once

#include <QAbstractTableModel>
#include <memory>

#include "gui/models/program.h"

namespace tidemark::gui {

class BufferTable : public QAbstractTableModel {
  Q_OBJECT

 public:
  enum Column { kName, kCategory, kBytes, kOp, kModule, kFirstStep, kLastStep, kColumns };
  /// What a column sorts by: numbers as numbers.
  static constexpr int kSortRole = Qt::UserRole;
  /// Index of the buffer in the program.
  static constexpr int kBufferRole = Qt::UserRole + 1;

  using QAbstractTableModel::QAbstractTableModel;

  /// Shows the buffers that live at a step of the program.
  void show(std::shared_ptr<const Program> program, int32_t step);
  const TraceBuffer& buffer(int row) const;
  /// Of a buffer of the program; -1 where it does not live.
  int row_of(int32_t buffer) const;

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  std::shared_ptr<const Program> program_;
  std::vector<int32_t> rows_;
};

}  // namespace tidemark::gui
