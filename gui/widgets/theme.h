// Colours and type. Fixed, so that a picture looks the same on every machine.
#pragma once

#include <QColor>
#include <QFont>

#include "base/category.h"

class QApplication;

namespace tidemark::gui::theme {

/// Told apart with any colour vision (Okabe & Ito 2008).
QColor color_of(Category category);
/// Black or white, whichever can be read on it.
QColor text_on(const QColor& background);
QColor tint_of(Phase phase);

inline constexpr QColor kPaper{0xff, 0xff, 0xff};
inline constexpr QColor kWindow{0xf4, 0xf5, 0xf7};
inline constexpr QColor kText{0x1b, 0x1f, 0x24};
inline constexpr QColor kMutedText{0x55, 0x5e, 0x68};
inline constexpr QColor kLine{0xc9, 0xd0, 0xd8};  ///< frames
inline constexpr QColor kGrid{0xe8, 0xeb, 0xef};
inline constexpr QColor kFreeArena{0xee, 0xf0, 0xf3};
inline constexpr QColor kAccent{0x0b, 0x5c, 0xad};
inline constexpr QColor kPlanned{0x12, 0x16, 0x1c};
inline constexpr QColor kBudget{0x9b, 0x1c, 0x31};
inline constexpr QColor kGood{0x11, 0x6b, 0x3a};
inline constexpr QColor kBad{0xa4, 0x12, 0x2b};

QFont small_font();
QFont bold_font();

void apply(QApplication& application);

}  // namespace tidemark::gui::theme
