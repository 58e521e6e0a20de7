#include "gui/widgets/buffer_panel.h"

#include <QHBoxLayout>
#include <QHeaderView>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QVBoxLayout>

#include "base/ticks.h"
#include "base/units.h"
#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

constexpr int kRowHeight = 21;

/// A category's name after its colour.
class CategoryDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;

 protected:
  void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override {
    QStyledItemDelegate::initStyleOption(option, index);
    const std::string name = index.data(Qt::DisplayRole).toString().toStdString();
    QPixmap swatch(10, 10);
    swatch.fill(theme::color_of(category_from(name, "table")));
    option->features |= QStyleOptionViewItem::HasDecoration;
    option->icon = QIcon(swatch);
    option->decorationSize = swatch.size();
    option->text.replace(QLatin1Char('_'), QLatin1Char(' '));
  }
};

void lay_out_columns(QTableView& view) {
  QHeaderView& header = *view.horizontalHeader();
  header.setHighlightSections(false);
  header.setFont(theme::bold_font());
  header.setMinimumSectionSize(60);
  header.setSectionResizeMode(QHeaderView::Interactive);
  const int widths[BufferTable::kColumns] = {330, 130, 100, 290, 210, 96, 96};
  for (int c = 0; c < BufferTable::kColumns; ++c) header.resizeSection(c, widths[c]);
  header.setStretchLastSection(true);
}

}  // namespace

BufferPanel::BufferPanel(ViewState& state, QWidget* parent)
    : QWidget(parent),
      state_(state),
      table_(new BufferTable(this)),
      filter_(new BufferFilter(table_, this)),
      search_(new QLineEdit(this)),
      caption_(new QLabel(this)),
      view_(new QTableView(this)) {
  search_->setPlaceholderText(tr("Search name, op, module, category"));
  search_->setClearButtonEnabled(true);
  search_->setFixedWidth(320);
  view_->setModel(filter_);
  view_->setItemDelegateForColumn(BufferTable::kCategory, new CategoryDelegate(view_));
  view_->setSortingEnabled(true);
  view_->sortByColumn(BufferTable::kBytes, Qt::DescendingOrder);
  view_->setSelectionBehavior(QAbstractItemView::SelectRows);
  view_->setSelectionMode(QAbstractItemView::SingleSelection);
  view_->setAlternatingRowColors(true);
  view_->setShowGrid(false);
  view_->setWordWrap(false);
  view_->setTextElideMode(Qt::ElideMiddle);
  view_->verticalHeader()->hide();
  view_->verticalHeader()->setDefaultSectionSize(kRowHeight);
  lay_out_columns(*view_);

  auto* head = new QHBoxLayout;
  head->addWidget(caption_, 1);
  head->addWidget(search_);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(6);
  column->addLayout(head);
  column->addWidget(view_, 1);

  connect(search_, &QLineEdit::textChanged, this, [this](const QString& text) {
    filter_->set_words(text);
    show_caption();
  });
  connect(&state_, &ViewState::visible_changed, this, [this] {
    filter_->set_visible(state_.visible());
    show_caption();
  });
  connect(&state_, &ViewState::scene_changed, this, &BufferPanel::show_cursor);
  connect(&state_, &ViewState::cursor_changed, this, &BufferPanel::show_cursor);
  connect(&state_, &ViewState::selected_changed, this, &BufferPanel::show_selected);
  connect(view_, &QTableView::clicked, this,
          [this](const QModelIndex& index) { state_.select(index.data(BufferTable::kBufferRole).toInt()); });
}

void BufferPanel::show_cursor() {
  const Curve& curve = state_.scene().main;
  if (curve.clock.empty()) return;
  table_->show(curve.program, curve.clock[state_.cursor()].step);
  show_selected();
  show_caption();
}

void BufferPanel::show_selected() {
  const int row = table_->row_of(state_.selected());
  const QModelIndex index = row < 0 ? QModelIndex() : filter_->mapFromSource(table_->index(row, 0));
  if (!index.isValid()) return view_->clearSelection();
  view_->selectRow(index.row());
  view_->scrollTo(index);
}

void BufferPanel::show_caption() {
  const Curve& curve = state_.scene().main;
  if (curve.clock.empty()) return;
  const Segment& s = curve.clock[state_.cursor()];
  const std::string op = curve.program->steps[static_cast<size_t>(s.step)].op;
  caption_->setText(tr("<b>%1 buffers, %2</b>, live at %3 while %4 runs")
                        .arg(QString::fromStdString(format_count(filter_->rowCount())),
                             QString::fromStdString(format_bytes(filter_->bytes())),
                             QString::fromStdString(fine_seconds(s.time)),
                             QString::fromStdString(op).toHtmlEscaped()));
}

}  // namespace tidemark::gui
