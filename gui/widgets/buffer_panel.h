// The table of what lives at the cursor, with its search field.
#pragma once

#include <QLabel>
#include <QLineEdit>
#include <QTableView>
#include <QWidget>

#include "gui/models/buffer_filter.h"
#include "gui/models/view_state.h"

namespace tidemark::gui {

class BufferPanel : public QWidget {
  Q_OBJECT

 public:
  BufferPanel(ViewState& state, QWidget* parent);

  QLineEdit* search() const { return search_; }
  QTableView* view() const { return view_; }
  QLabel* caption() const { return caption_; }

 private:
  void show_cursor();
  void show_selected();
  void show_caption();

  ViewState& state_;
  BufferTable* table_;
  BufferFilter* filter_;
  QLineEdit* search_;
  QLabel* caption_;
  QTableView* view_;
};

}  // namespace tidemark::gui
