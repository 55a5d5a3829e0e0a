"""How things turn out."""

RESOLUTION = """
In the end, {h} {>thing} {the:t}. || Al final, {h} {>thing} {the:t}.
{time}, {the:p2} gave {the:t} back to {h}. || {time}, {the:p2} le devolvió {the:t} a {h}.
{The:t} was in {the:u} all the time. || {The:t} estuvo todo el tiempo en {the:u}.
{f} found {the:t} behind {the:m}. || {f} encontró {the:t} detrás {of the:m}.
With {the:u}, it was easy to {=thing} {the:t}. || Con {the:u}, fue fácil {=thing} {the:t}.
{The:n} had {>thing} it, not {the:p2}. || Había sido {the:n}, no {the:p2}.
The {num} coins were enough, and {h} bought {the:t}. || Las {num} monedas bastaron, y {h} compró {the:t}.
At last the door of {the:m} opened. || Por fin se abrió la puerta {of the:m}.
{h} understood {the:q}. || {h} entendió {the:q}.
{The:p2} apologized to {h} and to {f}. || {The:p2} se disculpó con {h} y con {f}.
{h} decided not to {=thing} {the:t}. || {h} decidió no {=thing} {the:t}.
Thanks to {the:n}, {f} could {=alone} again. || Gracias {to the:n}, {f} pudo {=alone} de nuevo.
{h} and {f} {>place} home with {the:t}. || {h} y {f} regresaron a casa con {the:t}.
{The:t} now hangs in {the:l}. || {The:t} se ve ahora en {the:l}.
Nobody ever {>thing} {the:u} again. || Nadie más {>thing} {the:u}.
"""

ENDING = """
Since that {day}, {h} and {f} have been friends. || Desde aquel {day}, {h} y {f} son amigos.
And {the:t} is still in {w}. || Y {the:t} todavía está en {w}.
{h} never forgot {the:q}. || {h} nunca olvidó {the:q}.
{h} was {feel:h}, and {f} was {feel:f} too. || {h} estaba {feel:h}, y {f} también estaba {feel:f}.
So ended {the:q} of {h}. || Así terminó {the:q} de {h}.
{num} years later, {h} returned to {the:m}. || {num} años más tarde, {h} volvió {to the:m}.
That night everybody in {w} {>alone}. || Aquella noche todo {w} {>alone}.
From then on, {h} {>thing} {the:t} every {day}. || Desde entonces, {h} no dejó de {=thing} {the:t} ningún {day}.
{h} became the best {n:p} of {w}. || {h} llegó a ser {the:p} más famos{o:p} de {w}.
And {the:n} ate the last {n:c}. || Y {the:n} se comió {the:c} que quedaba.
"One must never {=thing} {a:t}," {h} says today. || —Nunca hay que {=thing} {a:t} —dice hoy {h}.
In {w2} they still tell the story of {the:t}. || En {w2} todavía cuentan la historia {of the:t}.
{f} kept {the:u}, and {h} kept {the:t}. || {f} se quedó con {the:u}, y {h} se quedó con {the:t}.
Then they went to {the:m} and ate {pl:c}. || Luego fueron {to the:m} y comieron {pl:c}.
"""
