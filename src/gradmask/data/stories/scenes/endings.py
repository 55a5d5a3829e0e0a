"""How things turn out."""

RESOLUTION = """
In the end, {h} {>thing} {the:t}. || Al final, {h} {>thing} {the:t}.
{time}, {the:p2} gave {the:t} back to {h}. || {time}, {the:p2} le devolvió {the:t} a {h}.
{The:t} was in {the+:b} all the time. || {The:t} estuvo todo el tiempo en {the+:b}.
{f} found {the:t} behind {the:m}. || {f} encontró {the:t} detrás {of the:m}.
With {the:u}, it was easy to {=thing} {the:t}. || Con {the:u}, fue fácil {=thing} {the:t}.
It was {the+:n}, not {the:p2}, who {^thing} {the:t}. || Fue {the+:n}, y no {the:p2}, quien {^thing} {the:t}.
The {num} coins were enough, and {h} bought {the:t}. || Las {num} monedas bastaron, y {h} compró {the:t}.
At last {the:j} of {the:m} opened. || Por fin se abrió {the:j} {of the:m}.
{h} understood {the+:q}. || {h} entendió {the+:q}.
{The:p2} apologized to {h} and to {f}. || {The:p2} se disculpó con {h} y con {f}.
{h} decided not to {=thing} {the:t}. || {h} decidió no {=thing} {the:t}.
Thanks to {the:n}, {f} could {=alone} again. || Gracias {to the:n}, {f} pudo {=alone} de nuevo.
{h} and {f} returned home with {the:t}. || {h} y {f} regresaron a casa con {the:t}.
{The+:t} can now be seen in {the:l}. || {The+:t} se ve ahora en {the:l}.
Nobody ever {>thing} {the:u} again. || Nadie volvió a {=thing} {the:u}.
{The:v} dropped {the:t} at the feet of {h}. || {The:v} dejó caer {the:t} a los pies de {h}.
{h} gave {the:t} to {h.his} {n:r}, who {>alone}. || {h} le dio {the:t} a su {n:r}, que {>alone}.
{time}, {h} {>person} {f}, and all was well. || {time}, {h} {>person} a {f}, y todo se arregló.
{The:p2} confessed that {the:u} was made of {mat}. || {The:p2} confesó que {the:u} era de {mat}.
{f} {>thing} {the:u} {adv}, and {the:t} appeared. || {f} {>thing} {adv} {the:u}, y apareció {the:t}.
They divided the {num} {pl:c} between {few} friends. || Repartieron {num} {pl:c} entre {few} amigos.
"{The:t} is ours!" {>ask} {f}. || —¡{The:t} es nuestr{o:t}! —{>ask} {f}.
{h} returned {the:u} to {the:p2} and kept {the:t}. || {h} devolvió {the:u} {to the:p2} y se quedó con {the:t}.
"""

ENDING = """
Since that {day}, {h} and {f} have been friends. || Desde aquel {day}, {h} y {f} son amigos.
And {the+:t} is still in {w}. || Y {the+:t} todavía está en {w}.
{h} never forgot {the+:q}. || {h} nunca olvidó {the+:q}.
{h} was {feel:h}, and {f} was {feel:f} too. || {h} estaba {feel:h}, y {f} también estaba {feel:f}.
So ended {the+:q} of {h}. || Así terminó {the+:q} de {h}.
{num} years later, {h} returned to {the:m}. || {num} años más tarde, {h} volvió {to the:m}.
That night everybody in {w} {>alone}. || Aquella noche todo {w} {>alone}.
From then on, {h} {<thing} {the:t} every {day}. || Desde entonces, {h} {<thing} {the:t} cada {day}.
{h} became the best {n:p} of {w}. || {h} llegó a ser {the:p} más famos{o:p} de {w}.
And {the+:n} ate the last {n:c}. || Y {the+:n} se comió {the:c} que quedaba.
"One must never {=thing} {a:t}," {h} says today. || —Nunca hay que {=thing} {a:t} —dice hoy {h}.
In {w2} they still tell the story of {the+:t}. || En {w2} todavía cuentan la historia {of the+:t}.
{f} kept {the:u}, and {h} kept {the:t}. || {f} se quedó con {the:u}, y {h} se quedó con {the:t}.
Then they went to {the:m} and ate {pl:c}. || Luego fueron {to the:m} y comieron {pl:c}.
Today {h} {*alone} in {the:l}, and {f} {*alone} in {w2}. || Hoy {h} {*alone} en {the:l}, y {f} {*alone} en {w2}.
{h} learned that {virtue} matters more than {a:t}. || {h} aprendió que {virtue} importa más que {a:t}.
Every {month}, {h} {*place} {the:m} with {f}. || Cada {month}, {h} {*place} {the:m} con {f}.
{h}'s {n:r} hung {the:t} on {the:j} of {the:l}. || {The:r} de {h} colgó {the:t} en {the:j} {of the:l}.
And {the:p2} never again {>person} {f}. || Y {the:p2} no volvió a {=person} a {f}.
"Tomorrow," {>say} {f}, "we will look for {the:u}." || —Mañana —{>say} {f}— buscaremos {the:u}.
In {year}, {w} named a street after {h}. || En {year}, {w} le puso a una calle el nombre de {h}.
"""
